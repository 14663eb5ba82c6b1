# Addresses, sizes and names come from the lab document; the coordinator writes them to terraform.tfvars.json.

variable "node_provider" {
  description = "What makes the nodes: nspawn (Linux, no hypervisor needed) or multipass (macOS, Linux with KVM)."
  type        = string
  validation {
    condition     = contains(["nspawn", "multipass"], var.node_provider)
    error_message = "node_provider must be nspawn or multipass."
  }
}

variable "lab" {
  description = "Name of the lab; everything made on the host carries it."
  type        = string
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$", var.lab))
    error_message = "lab must be a short lower case name of letters, digits and hyphens."
  }
}

variable "home" {
  description = "State of the lab ($DRILLYARD_HOME)."
  type        = string
  validation {
    condition     = startswith(var.home, "/")
    error_message = "home must be an absolute path."
  }
}

variable "cache" {
  description = "Bundle and root file system ($DRILLYARD_CACHE)."
  type        = string
  validation {
    condition     = startswith(var.cache, "/")
    error_message = "cache must be an absolute path."
  }
}

variable "coordinator" {
  description = "The coordinator program, whose `node` command makes and removes single nodes."
  type        = string
  validation {
    condition     = startswith(var.coordinator, "/")
    error_message = "coordinator must be an absolute path."
  }
}

variable "gateway" {
  description = "The host's address in the lab's subnet."
  type        = string
  validation {
    condition     = can(cidrhost("${var.gateway}/32", 0))
    error_message = "gateway must be an IPv4 address."
  }
}

variable "prefix" {
  description = "Prefix length of the lab's subnet."
  type        = number
  default     = 24
  validation {
    condition     = var.prefix >= 16 && var.prefix <= 29
    error_message = "prefix must be 16 to 29."
  }
}

variable "memory_budget_mib" {
  description = "What all nodes together may use of the host's memory."
  type        = number
  default     = 24576
}

variable "disk_budget_gib" {
  description = "What all nodes together may use of the host's disk."
  type        = number
  default     = 240
}

variable "attempt" {
  description = "Any text; when it changes, every node is looked at again and brought back if it does not run."
  type        = string
  default     = ""
}

variable "nodes" {
  description = "The nodes by name."
  type = map(object({
    role       = string
    address    = string
    cpus       = number
    memory_mib = number
    disk_gib   = number
  }))
  nullable = false

  validation {
    condition     = alltrue([for name, _ in var.nodes : can(regex("^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$", name))])
    error_message = "A node's name must be a short lower case name of letters, digits and hyphens."
  }
  validation {
    condition     = alltrue([for n in values(var.nodes) : contains(["control_plane", "worker"], n.role)])
    error_message = "A node's role must be control_plane or worker."
  }
  validation {
    condition = alltrue([
      for n in values(var.nodes) : try(
        cidrhost("${n.address}/${var.prefix}", 0) == cidrhost("${var.gateway}/${var.prefix}", 0)
        && !contains([var.gateway, cidrhost("${var.gateway}/${var.prefix}", 0), cidrhost("${var.gateway}/${var.prefix}", -1)], n.address),
      false)
    ])
    error_message = "A node's address must be a free one of the gateway's subnet."
  }
  validation {
    condition     = length(distinct(values(var.nodes)[*].address)) == length(var.nodes)
    error_message = "Two nodes have the same address."
  }
  validation {
    condition     = alltrue([for n in values(var.nodes) : n.cpus >= 1 && n.memory_mib >= 512 && n.disk_gib >= 5])
    error_message = "A node needs at least 1 CPU, 512 MiB of memory and 5 GiB of disk."
  }
  validation {
    condition     = sum(concat([0], values(var.nodes)[*].memory_mib)) <= var.memory_budget_mib
    error_message = "The nodes need more memory than memory_budget_mib."
  }
  validation {
    condition     = sum(concat([0], values(var.nodes)[*].disk_gib)) <= var.disk_budget_gib
    error_message = "The nodes need more disk than disk_budget_gib."
  }
}
