# Nodes as Multipass machines; Multipass brings its own network.
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
      self.input.coordinator, "node", "remove", "--provider", "multipass",
      "--lab", self.input.lab, "--home", self.input.home, "--cache", self.input.cache, "--name",
    ]
    command = self.input.name
  }
}

resource "terraform_data" "launch" {
  for_each = var.nodes

  input = {
    address = each.value.address
  }
  triggers_replace = [each.value, var.gateway, var.prefix, var.attempt]

  provisioner "local-exec" {
    interpreter = [
      var.coordinator, "node", "ensure", "--provider", "multipass",
      "--lab", var.lab, "--home", var.home, "--cache", var.cache,
      "--role", each.value.role, "--address", each.value.address,
      "--prefix", tostring(var.prefix), "--gateway", var.gateway,
      "--cpus", tostring(each.value.cpus), "--memory-mib", tostring(each.value.memory_mib),
      "--disk-gib", tostring(each.value.disk_gib), "--name",
    ]
    command = each.key
  }

  depends_on = [terraform_data.node]
}
