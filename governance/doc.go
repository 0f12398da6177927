// Package governance is the client of the clean room governance service (CGS)
// on a Confidential Consortium Framework (CCF) network.
//
// A [Member] signs with its own key, which may be any crypto.Signer, and its
// certificate authenticates the connection; nothing listens on the way:
//
//	member, err := governance.LoadMember("member_cert.pem", "member_privk.pem")
//	...
//	client, err := governance.NewClient("https://ledger.example.org", member,
//		&governance.ClientOptions{ServiceCertificate: pem})
//	...
//	contract, err := client.Contract("collab1-db").Get(ctx)
//
// A [RoomClient] has no account. Its attested key is its identity: answers come
// wrapped to that key and are unwrapped here.
//
// # Trust
//
// The server must chain to the service certificate that the caller gives, and
// to nothing else. Redirects are not followed. Before a vote for a contract the
// client reads the actions of the proposal as they were signed and compares
// them with the contract.
//
// # Writes
//
// A write returns when its transaction is committed. Only 408, 429, 502, 503,
// 504 and broken connections are tried again: the service answers refusals
// that will not change with 500.
//
// # Errors
//
// [ServiceError] carries the status and code of the service with a remedy.
// [DeniedError] lists what was wanted and what was got: votes that are missing,
// evidence that does not match, consent that is withdrawn.
//
// # Compatibility
//
// Generation G2 of the service, and api-version 2024-07-01 of CCF's governance
// interface.
package governance
