//! The recipe: what the bundle consists of. Read from `values/bundle/bundle.yaml`, strict about unknown keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::recipe_image::{EntrySource, ImageRecipe};

/// The recipe's schema that this code reads.
const SCHEMA: u32 = 1;

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The recipe's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is not a recipe.
    #[error("{path} is not a recipe")]
    Parse {
        /// The recipe's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_norway::Error,
    },
    /// A value breaks a rule.
    #[error("{field}: {problem}")]
    Invalid {
        /// Path of the field.
        field: String,
        /// Which rule, and the value.
        problem: String,
    },
}

/// All that the bundle can consist of. Lists keep the file's order, which is the order of building.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Version of this format.
    pub schema: u32,
    /// Versions by name; `{name}` elsewhere in the recipe stands for them.
    pub versions: BTreeMap<String, String>,
    /// Debian packages that the building host needs.
    pub host_packages: Vec<String>,
    pub(crate) modules: Vec<ModuleRecipe>,
    pub(crate) programs: Vec<ProgramRecipe>,
    pub(crate) c_programs: Vec<CProgramRecipe>,
    pub(crate) crates: Vec<CrateRecipe>,
    pub(crate) trees: Vec<TreeRecipe>,
    pub(crate) charts: Vec<ChartRecipe>,
    pub(crate) images: Vec<ImageRecipe>,
    pub(crate) store: StoreRecipe,
    pub(crate) profiles: Vec<ProfileRecipe>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleRecipe {
    pub(crate) name: String,
    pub(crate) pin: Pin,
    pub(crate) peak_mib: u64,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) stamps: Vec<String>,
}

/// The module that the artefacts are about, and the version that its go.mod must require.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    pub(crate) module: String,
    pub(crate) version: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramRecipe {
    pub(crate) name: String,
    pub(crate) module: String,
    pub(crate) package: String,
    pub(crate) seconds: u64,
    #[serde(default)]
    pub(crate) install: bool,
    #[serde(default)]
    pub(crate) stamps: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CProgramRecipe {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) seconds: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CrateRecipe {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) binary: String,
    pub(crate) profile: String,
    pub(crate) target: String,
    pub(crate) seconds: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TreeRecipe {
    pub(crate) name: String,
    pub(crate) recipe: String,
    pub(crate) suite: String,
    pub(crate) variant: Variant,
    #[serde(default)]
    pub(crate) root: String,
    #[serde(default)]
    pub(crate) publish: bool,
    pub(crate) peak_mib: u64,
    pub(crate) seconds: u64,
}

/// mmdebstrap's variants that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variant {
    /// A system that boots.
    Minbase,
    /// Unpacked files only.
    Extract,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartRecipe {
    pub(crate) name: String,
    pub(crate) module: String,
    pub(crate) path: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreRecipe {
    pub(crate) tree: String,
    pub(crate) script: String,
    pub(crate) snapshotter: String,
    pub(crate) peak_mib: u64,
    pub(crate) seconds: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileRecipe {
    pub(crate) name: String,
    pub(crate) programs: Vec<String>,
    pub(crate) crates: Vec<String>,
    pub(crate) trees: Vec<String>,
    pub(crate) charts: Vec<String>,
    pub(crate) images: Vec<String>,
    pub(crate) store: bool,
}

impl Recipe {
    /// The folder of the recipe inside a project.
    #[must_use]
    pub fn folder(project: &Path) -> PathBuf {
        project.join("values").join("bundle")
    }

    /// Reads and checks the recipe of the project at `project`.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a recipe, or names something that it does not define.
    pub fn load(project: &Path) -> Result<Self, RecipeError> {
        let path = Self::folder(project).join("bundle.yaml");
        let text = fs::read_to_string(&path).map_err(|source| RecipeError::Read { path: path.clone(), source })?;
        let recipe = Self::parse(&text, &path)?;
        recipe.check_pins(&Self::folder(project))?;
        Ok(recipe)
    }

    /// Parses `text`; `path` is for messages only.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        #[derive(Deserialize)]
        struct Versions {
            versions: BTreeMap<String, String>,
        }
        let parse_error = |source| RecipeError::Parse { path: path.to_owned(), source };
        let Versions { versions } = serde_norway::from_str(text).map_err(parse_error)?;
        let mut filled = text.to_owned();
        for (name, version) in &versions {
            filled = filled.replace(&format!("{{{name}}}"), version);
        }
        let recipe: Self = serde_norway::from_str(&filled).map_err(parse_error)?;
        recipe.check()?;
        Ok(recipe)
    }

    pub(crate) fn module(&self, name: &str) -> Result<&ModuleRecipe, RecipeError> {
        self.modules.iter().find(|module| module.name == name).ok_or_else(|| undefined("modules", name))
    }

    pub(crate) fn program(&self, name: &str) -> Result<&ProgramRecipe, RecipeError> {
        self.programs.iter().find(|program| program.name == name).ok_or_else(|| undefined("programs", name))
    }

    pub(crate) fn c_program(&self, name: &str) -> Result<&CProgramRecipe, RecipeError> {
        self.c_programs.iter().find(|program| program.name == name).ok_or_else(|| undefined("c_programs", name))
    }

    pub(crate) fn krate(&self, name: &str) -> Result<&CrateRecipe, RecipeError> {
        self.crates.iter().find(|krate| krate.name == name).ok_or_else(|| undefined("crates", name))
    }

    pub(crate) fn tree(&self, name: &str) -> Result<&TreeRecipe, RecipeError> {
        self.trees.iter().find(|tree| tree.name == name).ok_or_else(|| undefined("trees", name))
    }

    pub(crate) fn chart(&self, name: &str) -> Result<&ChartRecipe, RecipeError> {
        self.charts.iter().find(|chart| chart.name == name).ok_or_else(|| undefined("charts", name))
    }

    pub(crate) fn image(&self, name: &str) -> Result<&ImageRecipe, RecipeError> {
        self.images.iter().find(|image| image.name == name).ok_or_else(|| undefined("images", name))
    }

    pub(crate) fn profile(&self, name: &str) -> Result<&ProfileRecipe, RecipeError> {
        self.profiles.iter().find(|profile| profile.name == name).ok_or_else(|| undefined("profiles", name))
    }

    fn check(&self) -> Result<(), RecipeError> {
        if self.schema != SCHEMA {
            return Err(invalid("schema", format!("is {}, and {SCHEMA} is read", self.schema)));
        }
        for program in &self.programs {
            self.module(&program.module)?;
        }
        for chart in &self.charts {
            self.module(&chart.module)?;
        }
        self.tree(&self.store.tree)?;
        let mut references = BTreeSet::new();
        for image in &self.images {
            let field = format!("images.{}", image.name);
            if !references.insert(image.reference.as_str()) {
                return Err(invalid(&field, format!("reference `{}` is used twice", image.reference)));
            }
            for entry in image.layers.iter().flatten() {
                let field = format!("{field}.layers.{}", entry.to);
                if !entry.to.starts_with('/') {
                    return Err(invalid(&field, "`to` is not absolute".to_owned()));
                }
                if entry.mode.is_some() && entry.permissions().is_none() {
                    return Err(invalid(&field, "`mode` is not octal".to_owned()));
                }
                match entry.source() {
                    Some(EntrySource::Program(name)) => self.program(name).map(|_| ())?,
                    Some(EntrySource::CProgram(name)) => self.c_program(name).map(|_| ())?,
                    Some(EntrySource::Tree(name)) => self.tree(name).map(|_| ())?,
                    Some(EntrySource::Module(path)) => self.module(&path.module).map(|_| ())?,
                    Some(EntrySource::Link(_) | EntrySource::Directory) => {}
                    None => return Err(invalid(&field, "not exactly one source is named".to_owned())),
                }
            }
        }
        for profile in &self.profiles {
            profile.programs.iter().try_for_each(|name| self.program(name).map(|_| ()))?;
            profile.crates.iter().try_for_each(|name| self.krate(name).map(|_| ()))?;
            profile.trees.iter().try_for_each(|name| self.tree(name).map(|_| ()))?;
            profile.charts.iter().try_for_each(|name| self.chart(name).map(|_| ()))?;
            profile.images.iter().try_for_each(|name| self.image(name).map(|_| ()))?;
        }
        Ok(())
    }

    /// A version that the recipe states must be the one that the module's go.mod requires.
    fn check_pins(&self, folder: &Path) -> Result<(), RecipeError> {
        for module in &self.modules {
            let path = folder.join(&module.name).join("go.mod");
            let text =
                fs::read_to_string(&path).map_err(|source| RecipeError::Read { path: path.clone(), source })?;
            let pinned = text.lines().any(|line| {
                let mut words = line.trim_start_matches("require").split_whitespace();
                words.next() == Some(&module.pin.module) && words.next() == Some(&module.pin.version)
            });
            if !pinned {
                let problem = format!("{} does not require {} {}", path.display(), module.pin.module, module.pin.version);
                return Err(invalid(&format!("modules.{}.pin", module.name), problem));
            }
        }
        Ok(())
    }
}

fn invalid(field: &str, problem: String) -> RecipeError {
    RecipeError::Invalid { field: field.to_owned(), problem }
}

fn undefined(list: &str, name: &str) -> RecipeError {
    invalid(list, format!("has no `{name}`"))
}
