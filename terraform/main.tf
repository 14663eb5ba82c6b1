# The lab's nodes, made by one of two modules with the same inputs and outputs. No provider is downloaded: terraform_data
# is built in, and the work is done by `coordinator node`, which adopts, retries and removes by exact name.

terraform {
  required_version = ">= 1.9"
}

module "nspawn" {
  source = "./modules/nspawn"
  count  = var.node_provider == "nspawn" ? 1 : 0

  lab         = var.lab
  home        = var.home
  cache       = var.cache
  coordinator = var.coordinator
  gateway     = var.gateway
  prefix      = var.prefix
  nodes       = var.nodes
  attempt     = var.attempt
}

module "multipass" {
  source = "./modules/multipass"
  count  = var.node_provider == "multipass" ? 1 : 0

  lab         = var.lab
  home        = var.home
  cache       = var.cache
  coordinator = var.coordinator
  gateway     = var.gateway
  prefix      = var.prefix
  nodes       = var.nodes
  attempt     = var.attempt
}
