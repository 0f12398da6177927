// Package cleanroomtest runs Azure's side of a clean room on loopback, for
// tests, as net/http/httptest does for HTTP.
//
// [Start] brings up an attestation service, an Entra token endpoint, two key
// vaults and two Managed HSMs, blob storage with static websites and an SEV-SNP machine;
// [Env.StartLedger] adds a CCF network with the governance service, and
// [Env.StartDatabase] a PostgreSQL with sample data, or [Env.StartStandIn] what
// stands in for one. All but the database speak HTTPS under the host names of the genuine services:
//
//	env, err := cleanroomtest.Start(ctx, nil)
//	...
//	defer env.Close()
//	conn, err := env.Connect(cleanroomtest.Publisher, nil)
//	...
//	keys, err := azkeys.NewClient(publisher.VaultURL, conn.Credential(), &azkeys.ClientOptions{ClientOptions: conn.ClientOptions()})
//
// A [Conn] gives a client what it needs to reach these names on loopback: a
// transport, a dialler, the certificate authority, and an account. The clients
// themselves have no switch for tests. A second process connects with [Join].
//
// # What is emulated
//
// The protocols and their refusals: signatures are verified, policies are
// evaluated, votes are counted, and errors carry the services' codes.
//
// # What it protects
//
// Nothing. The host of a room is this process. Its roots never verify where
// production trust is configured, nor the reverse: they are made at start,
// live in memory, and stand in no trust store.
//
// # Errors
//
// Messages begin with "cleanroomtest:". A dial to a host that the environment
// does not serve is an [UnknownHostError].
package cleanroomtest
