// Package governancetest is a conformance suite for the clean room governance
// service. [Run] puts any service, the local one of cleanroomtest or a genuine
// one, through what the client of package governance relies on.
//
// To run it against a live service, export its address and the files of its
// genesis member, who need not be active yet, and run the package's tests:
//
//	export CGS_ENDPOINT=https://host:port CGS_SERVICE_CERT=service_cert.pem
//	export CGS_MEMBER_CERT=member_cert.pem CGS_MEMBER_KEY=member_privk.pem
//	export CGS_ROOM_KEY=room_key.pem CGS_ROOM_EVIDENCE=evidence.json # optional
//	go test -run TestLive -v github.com/cleanroom-go/sdk/governance/governancetest
//
// The genesis member must be the only one whose vote counts, and the network
// must have the constitution and the application of CGS 8.0.0. The suite opens
// the service, lets a second member in, and makes contracts, policies, secrets
// and a token issuer under names of its own; at the end it removes the member
// and restores the data of the first, so that the service can be used. What
// cannot be deleted stays: accepted contracts, secrets, and the issuer's key.
// The room's key and evidence (base64 of report, certificates and endorsement,
// as the sidecar answers to attest/combined) are for one another; without them
// the steps that a room takes are left out.
package governancetest
