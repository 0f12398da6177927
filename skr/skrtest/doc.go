// Package skrtest is a conformance suite for evidence and key release. [Attester]
// puts anything that makes evidence, and [Releaser] anything that gets keys by
// it, through what package skr relies on: the device, a sidecar, or one of your
// own. To run it in a room against live services, export what it may use and
// run the package's tests:
//
//	export SKR_KEY=https://VAULT/keys/NAME SKR_ATTESTATION=https://HOST
//	export SKR_DENIED_KEY=https://VAULT/keys/NAME  # optional: of another policy
//	export SKR_HOST_DATA=<64 hex digits>           # optional
//	export SKR_SIDECAR=http://127.0.0.1:8284       # else the SEV-SNP device
//	export AZURE_TENANT_ID=... AZURE_CLIENT_ID=... # as for azidentity's default credential
//	go test -run TestLive -v github.com/cleanroom-go/sdk/skr/skrtest
//
// The identity must be allowed to release the keys; may it read them too, more
// is compared. With a sidecar both ways are taken: its releases, and those of
// package skr with the sidecar's evidence. Nothing is written anywhere; a run
// releases the key about ten times.
package skrtest
