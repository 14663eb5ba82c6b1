# Plans only: sizes, addresses and names are checked before anything is made.

variables {
  node_provider = "nspawn"
  lab           = "lab"
  home          = "/home/user/.local/share/drillyard/lab"
  cache         = "/home/user/.cache/drillyard"
  coordinator   = "/usr/local/bin/coordinator"
  gateway       = "192.168.64.1"
  nodes = {
    mgmt-cp     = { role = "control_plane", address = "192.168.64.10", cpus = 2, memory_mib = 3072, disk_gib = 30 }
    mgmt-worker = { role = "worker", address = "192.168.64.11", cpus = 4, memory_mib = 8192, disk_gib = 80 }
    app1-cp     = { role = "control_plane", address = "192.168.64.20", cpus = 2, memory_mib = 2560, disk_gib = 25 }
    app1-worker = { role = "worker", address = "192.168.64.21", cpus = 2, memory_mib = 4096, disk_gib = 40 }
    app2-cp     = { role = "control_plane", address = "192.168.64.30", cpus = 2, memory_mib = 2560, disk_gib = 25 }
    app2-worker = { role = "worker", address = "192.168.64.31", cpus = 2, memory_mib = 4096, disk_gib = 40 }
  }
}

run "the_default_lab_fits_its_budget_exactly" {
  command = plan
  assert {
    condition     = sum(values(var.nodes)[*].memory_mib) == var.memory_budget_mib && sum(values(var.nodes)[*].disk_gib) == var.disk_budget_gib
    error_message = "the default lab is 24 GiB of memory and 240 GB of disk"
  }
  assert {
    condition     = length(module.nspawn) == 1 && length(module.multipass) == 0
    error_message = "nspawn is the provider chosen"
  }
}

run "too_much_memory" {
  command = plan
  variables {
    memory_budget_mib = 24575
  }
  expect_failures = [var.nodes]
}

run "too_much_disk" {
  command = plan
  variables {
    disk_budget_gib = 239
  }
  expect_failures = [var.nodes]
}

run "address_of_another_subnet" {
  command = plan
  variables {
    nodes = { n1 = { role = "worker", address = "192.168.65.10", cpus = 1, memory_mib = 1024, disk_gib = 10 } }
  }
  expect_failures = [var.nodes]
}

run "address_of_the_gateway" {
  command = plan
  variables {
    nodes = { n1 = { role = "worker", address = "192.168.64.1", cpus = 1, memory_mib = 1024, disk_gib = 10 } }
  }
  expect_failures = [var.nodes]
}

run "two_nodes_with_one_address" {
  command = plan
  variables {
    nodes = {
      n1 = { role = "worker", address = "192.168.64.10", cpus = 1, memory_mib = 1024, disk_gib = 10 }
      n2 = { role = "worker", address = "192.168.64.10", cpus = 1, memory_mib = 1024, disk_gib = 10 }
    }
  }
  expect_failures = [var.nodes]
}

run "name_that_a_shell_would_read" {
  command = plan
  variables {
    nodes = { "n1;reboot" = { role = "worker", address = "192.168.64.10", cpus = 1, memory_mib = 1024, disk_gib = 10 } }
  }
  expect_failures = [var.nodes]
}

run "unknown_role" {
  command = plan
  variables {
    nodes = { n1 = { role = "master", address = "192.168.64.10", cpus = 1, memory_mib = 1024, disk_gib = 10 } }
  }
  expect_failures = [var.nodes]
}

run "unknown_provider" {
  command = plan
  variables {
    node_provider = "docker"
  }
  expect_failures = [var.node_provider]
}

run "relative_home" {
  command = plan
  variables {
    home = "lab"
  }
  expect_failures = [var.home]
}
