//! `man`: the manual pages, made from the same words as `--help`.

use super::Args;
use super::args::Man;
use super::output::out;
use crate::exit::{Failure, Outcome};
use clap::{Command, CommandFactory};

pub(crate) fn run(options: &Man) -> Result<Outcome, Failure> {
    let failed = |e: std::io::Error| {
        Failure::from_error(Outcome::Internal, "DY-0136", &e, "coordinator man --dir DIR")
    };
    let command = Args::command();
    if let Some(dir) = &options.dir {
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(command, dir).map_err(failed)?;
        return Ok(Outcome::Done);
    }
    let page = page(command, &options.page).ok_or_else(|| {
        Failure::new(
            Outcome::Usage,
            "DY-0136",
            format!("there is no command {:?}", options.page.join(" ")),
            "coordinator --help",
        )
    })?;
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(failed)?;
    out!("{}", String::from_utf8_lossy(&text));
    Ok(Outcome::Done)
}

/// The command with these names as a page of its own, `coordinator-NAME-NAME(1)`; without a name the main page.
fn page(mut command: Command, names: &[String]) -> Option<Command> {
    if names.is_empty() {
        return Some(command);
    }
    command.build();
    let found = names.iter().try_fold(&command, |command, name| {
        command.find_subcommand(name).filter(|c| !c.is_hide_set())
    })?;
    Some(found.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_not_hidden_has_a_page() {
        let names: Vec<String> = Args::command()
            .get_subcommands()
            .filter(|c| !c.is_hide_set())
            .map(|c| c.get_name().to_owned())
            .collect();
        assert!(names.len() >= 10);
        for name in names {
            let page = page(Args::command(), std::slice::from_ref(&name)).expect("a page");
            let mut text = Vec::new();
            clap_mangen::Man::new(page).render(&mut text).expect("rendered");
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(
                text.contains(".TH") && text.contains("SYNOPSIS"),
                "{name}: {text}"
            );
        }
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            page(Args::command(), &names)
        };
        assert!(named(&["node"]).is_none(), "a hidden command has no page");
        assert!(named(&["drill", "no-such"]).is_none());
        let plan = named(&["drill", "plan"]).expect("a page of a command below another");
        let mut text = Vec::new();
        clap_mangen::Man::new(plan).render(&mut text).expect("rendered");
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(
            text.replace('\\', "").contains("coordinator-drill-plan"),
            "{text}"
        );
    }
}
