# The same in both modules. Values are checked by the root module and once more by the launcher.

variable "lab" {
  type = string
}

variable "home" {
  type = string
}

variable "cache" {
  type = string
}

variable "coordinator" {
  type = string
}

variable "gateway" {
  type = string
}

variable "prefix" {
  type = number
}

variable "nodes" {
  type = map(object({
    role       = string
    address    = string
    cpus       = number
    memory_mib = number
    disk_gib   = number
  }))
}

variable "attempt" {
  type = string
}
