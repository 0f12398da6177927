// Package ccf emulates, in this process, a CCF network that runs CGS, the
// clean room governance service: release 8.0.0 on the wire, governance
// api-version 2024-07-01.
//
// A [Service] is an [net/http.Handler]. [New] starts a network with its
// genesis members; as with a genuine one it is not open, and /app answers
// FrontendNotOpen until its members acknowledged their state digests and
// accepted transition_service_to_open. The listener in front of it must use
// [Service.TLSCertificate] and ask for client certificates
// (tls.RequestClientCert): a member is known by the SHA-256 of the certificate
// that it presents.
//
// # What is real
//
// Governance messages are COSE_Sign1 and verified with the members' keys.
// Proposals pass validation, the replay window, the resolve rule of the CGS
// constitution and its actions. Evidence is handed to Options.VerifyReport for
// its signatures, then matched against the contract's policy. Secrets and
// tokens leave wrapped to the attested key. Receipts are paths in a Merkle tree
// over all transactions, to a root that the node's key signs. A request that is
// not answered with 2xx leaves no trace in the store.
//
// # What is not
//
// There is one node, no consensus and no script engine. The constitution and
// the application are Go code, so ballots other than the two canonical scripts
// are refused, and a proposed constitution or JavaScript application is stored
// but changes nothing. A transaction counts as committed when the request
// after it arrives: a look at /app/tx right after a write says Pending, the
// next one Committed. No keys of token issuers are fetched. Evidence of the kind
// snp-cvm has no verifier and is refused.
package ccf
