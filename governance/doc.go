// Package governance is the client of the clean room governance service (CGS)
// on a Confidential Consortium Framework (CCF) network.
//
// The parties of a collaboration are members of the network. They propose and
// vote, and what all accepted is what a clean room may do. A [Client] acts for
// one member; its connection shows the member's certificate, and its proposals
// and votes are signed one by one:
//
//	member, err := governance.LoadMember("member_cert.pem", "member_privk.pem")
//	...
//	client, err := governance.NewClient("https://ledger.example.org", member,
//		&governance.ClientOptions{ServiceCertificate: pem})
//	...
//	contract, err := client.Contract("collab1").Get(ctx)
//	...
//	proposal, err := client.Contract("collab1").Vote(ctx, contract.ProposalID, true)
//
// A [RoomClient] acts for a program in a clean room. It has no account: the
// service knows it by its SEV-SNP evidence, and answers to the key that the
// evidence names. [Room] is what such a program needs of it; a [SidecarRoom] has
// the same from the platform's sidecar, which keeps the evidence to itself.
//
// A [UserClient] acts for a user whom the members registered, with the tokens of
// an issuer that they trust.
//
// # Where keys live
//
// A member's key is any [crypto.Signer] on P-256, P-384 or P-521: read from a
// file ([LoadMember]), kept in a vault (package vaultsigner), or on a device
// that a PKCS #11 library reaches ([NewMember]); [GenerateMemberKeys] makes one
// in memory. A room's RSA key is made by [NewRoomClient] and never leaves the
// process. Secrets and tokens are opened there; what the callers get is theirs
// to guard. No key is printed or logged, and no log line has a body, a query or
// a header.
//
// # What is verified
//
// The server must chain to the service certificate that the caller gives, or
// whose digest the caller gives, and to nothing else; public authorities count
// for nothing. A redirect is followed to another node of the same service
// alone, and nothing but the node is taken from it. A yes for a contract is
// given only after the actions, as they were signed, were compared with the
// contract that the service shows. A signed text that two readers could read in
// two ways is refused. [ProposalClient.Review] compares any open proposal with
// what is accepted, and warns of known traps; look at it before you vote. The
// service itself compares no versions when a contract is proposed:
// [ContractClient.Propose] does. Beyond that the client believes the pinned
// service. What is to convince others later is a [Receipt], which a node signs
// and anybody verifies offline.
//
// # Writes and repetition
//
// A write returns when its transaction is committed, so that other members can
// build on it; [ClientOptions.EarlyReturn] leaves the waiting to the caller.
// Only 408, 429, 502, 503, 504 and broken connections are tried again, each
// time with every node that was given until one has an answer about the
// request. A service that asks to come again is asked for some 13 seconds,
// longer than an election takes; a broken connection is tried five times in
// all. Retry-After is heeded up to a minute. Repetitions are the same bytes,
// and the refusal of a repetition whose first copy did its work counts as the
// success that it is. The service refuses no repeated event, and a room cannot
// read which it has; [ContractClient.Events] leaves the repetition out. An
// event that a [SidecarRoom] sends again is signed anew by the sidecar, and is
// there twice.
//
// # Errors
//
// A refusal by the service is a [*ServiceError] with its status and code, and a
// remedy if the code is known. A [*DeniedError] lists what was wanted and what
// was got: votes that are missing, evidence that does not match, consent that
// is withheld, a proposal that is not what it seems. Callers also branch on
// [ErrContractModified], [ErrDocumentModified], [ErrTransactionLost] and
// [ErrNotCommitted]. The end of a context is wrapped wherever it is the cause.
// What each code and check means is in docs/TROUBLESHOOTING.md of the module.
//
// # Compatibility
//
// Release 8.0.0 of CGS and api-version 2024-07-01 of CCF's governance interface.
// Earlier releases are not supported: they have other paths and member data,
// ids of secrets with a colon, and another binding of a room's key to its
// evidence. Actions without a constructor can be written as an [Action].
package governance
