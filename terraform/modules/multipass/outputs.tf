output "nodes" {
  description = "Address of every node by name."
  value       = { for name, launch in terraform_data.launch : name => launch.output.address }
}
