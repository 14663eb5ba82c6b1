output "nodes" {
  description = "Address of every node by name, known once the node has shown it."
  value       = one(concat(module.nspawn[*].nodes, module.multipass[*].nodes))
}
