// Package register makes the providers known that this build has. Upstream's names forty, each with its vendor's SDK; the lab
// has Vault.
package register

import (
	_ "github.com/external-secrets/external-secrets/pkg/provider/vault"
)
