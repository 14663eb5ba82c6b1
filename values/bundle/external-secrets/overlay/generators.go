// Package register makes no generators known: they make secrets up or fetch them from clouds, and the lab's come from Vault.
package register
