# Nodes as systemd-nspawn machines on a bridge of their own.
# Each node is two resources, because a create-time provisioner that is interrupted taints its resource, and a tainted
# resource is destroyed and made anew. `node` owns the node: it has no create-time provisioner, is never tainted, and
# removes the node only when that is wanted. `launch` brings it up, and may be replaced as often as it takes.
#
# The provisioners' "interpreter" is the program itself, so no shell reads any value.

resource "terraform_data" "node" {
  for_each = var.nodes

  input = {
    coordinator = var.coordinator
    lab         = var.lab
    home        = var.home
    cache       = var.cache
    name        = each.key
  }

  provisioner "local-exec" {
    when = destroy
    interpreter = [
      self.input.coordinator, "node", "remove", "--provider", "nspawn",
      "--lab", self.input.lab, "--home", self.input.home, "--cache", self.input.cache, "--name",
    ]
    command = self.input.name
  }

  depends_on = [terraform_data.bridge]
}

resource "terraform_data" "launch" {
  for_each = var.nodes

  input = {
    address = each.value.address
  }
  triggers_replace = [each.value, var.gateway, var.prefix, var.attempt]

  provisioner "local-exec" {
    interpreter = [
      var.coordinator, "node", "ensure", "--provider", "nspawn",
      "--lab", var.lab, "--home", var.home, "--cache", var.cache,
      "--role", each.value.role, "--address", each.value.address,
      "--prefix", tostring(var.prefix), "--gateway", var.gateway,
      "--cpus", tostring(each.value.cpus), "--memory-mib", tostring(each.value.memory_mib),
      "--disk-gib", tostring(each.value.disk_gib), "--name",
    ]
    command = each.key
  }

  depends_on = [terraform_data.node, terraform_data.bridge_up]
}

resource "terraform_data" "bridge" {
  input = {
    coordinator = var.coordinator
    lab         = var.lab
    home        = var.home
    cache       = var.cache
  }

  provisioner "local-exec" {
    when = destroy
    interpreter = [
      self.input.coordinator, "node", "network", "remove",
      "--home", self.input.home, "--cache", self.input.cache, "--lab",
    ]
    command = self.input.lab
  }
}

resource "terraform_data" "bridge_up" {
  triggers_replace = [var.gateway, var.prefix, var.attempt]

  provisioner "local-exec" {
    interpreter = [
      var.coordinator, "node", "network", "ensure",
      "--home", var.home, "--cache", var.cache,
      "--gateway", var.gateway, "--prefix", tostring(var.prefix), "--lab",
    ]
    command = var.lab
  }

  depends_on = [terraform_data.bridge]
}
