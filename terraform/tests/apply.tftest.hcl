# Applies with a stand-in for the coordinator: what it is called with, and that no value passes through a shell.

variables {
  node_provider = "nspawn"
  lab           = "test"
  home          = "/tmp/drillyard-terraform-test"
  cache         = "/tmp/drillyard-terraform-test/cache"
  coordinator   = abspath("tests/fake-coordinator")
  gateway       = "192.168.74.1"
  nodes = {
    mgmt-cp     = { role = "control_plane", address = "192.168.74.10", cpus = 2, memory_mib = 3072, disk_gib = 30 }
    mgmt-worker = { role = "worker", address = "192.168.74.11", cpus = 2, memory_mib = 8192, disk_gib = 80 }
  }
}

run "nspawn_calls_the_launcher" {
  assert {
    condition     = output.nodes == { mgmt-cp = "192.168.74.10", mgmt-worker = "192.168.74.11" }
    error_message = "outputs are not the nodes' addresses"
  }
  assert {
    condition = strcontains(file("${var.home}/calls"), join(" ", [
      "node ensure --provider nspawn --lab test --home ${var.home} --cache ${var.cache} --role worker",
      "--address 192.168.74.11 --prefix 24 --gateway 192.168.74.1 --cpus 2 --memory-mib 8192 --disk-gib 80 --name mgmt-worker\n",
    ]))
    error_message = "the launcher was not called as documented"
  }
  assert {
    condition     = strcontains(file("${var.home}/calls"), "node network ensure --home ${var.home} --cache ${var.cache} --gateway 192.168.74.1 --prefix 24 --lab test\n")
    error_message = "the bridge was not made"
  }
}

run "another_attempt_removes_nothing" {
  variables {
    attempt = "2"
  }
  assert {
    condition     = length(regexall("node ensure", file("${var.home}/calls"))) == 4
    error_message = "a repeated launch must ensure both nodes again, and remove none (which empties the record)"
  }
}

run "multipass_has_no_bridge" {
  variables {
    node_provider = "multipass"
    home          = "/tmp/drillyard-terraform-test-multipass"
  }
  assert {
    condition     = strcontains(file("${var.home}/calls"), "node ensure --provider multipass")
    error_message = "the launcher was not called for Multipass"
  }
  assert {
    condition     = !strcontains(file("${var.home}/calls"), "network ensure")
    error_message = "Multipass brings its own network"
  }
}
