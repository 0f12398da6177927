// Package vault emulates the data plane of premium Key Vaults: keys with
// release policies, their secure release, and secrets. One server answers for
// every *.vault.azure.net host.
package vault
