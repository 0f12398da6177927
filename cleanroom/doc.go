// Package cleanroom is the collaboration: the specification document on which
// the parties of a clean room agree, the deployment made from it, the keys
// bound to that deployment, and the inside of the room.
//
// # The document
//
// A party begins with [NewSpecification], adds what it brings with verbs such
// as [Specification.AddIdentity], [Specification.SetKEK],
// [Specification.AddDatasink] and [Specification.AddApplication], and shares
// the result. Each verb checks its references at once. One of the parties
// merges the documents and proposes the result as the contract:
//
//	merged, err := cleanroom.Merge(consumer, publisher)
//	...
//	issues, err := merged.Validate(nil)
//
// A document holds names, addresses and ids, never a key or a password.
//
// # Reading and writing
//
// Documents are YAML of generation G2, of release 8.0.0. [ParseSpecificationG1]
// reads those of the generation before, G1, [ImportSpecificationG0] makes a
// document of G1 out of one of the first releases, and [Specification.Upgrade]
// makes G2 of G1. [ParseSpecification] is strict: an unknown key, a repeated
// one, a wrong kind of value or a wrong word of an enumeration is a [Problem]
// with line, column and the nearest known name. The order of maps is kept, for
// it reaches the enforcement policy of the deployment.
// [Specification.WriteFile] sorts the keys, writes every field, and replaces
// the file atomically.
//
// # From a contract to a room
//
// [Generate] makes a deployment template and an enforcement policy from an
// accepted document; [VerifyProposals] makes them again and compares, before a
// party votes for what another one proposed. [GenerateSidecars] makes a room
// that has the platform's sidecars. [ReleasePolicyFor] and [Keys] bind
// key-encryption keys to the policy that was accepted, and wrap data keys and
// secrets under them. Data keys lie in a [DEKStore] of the party. [Plan] then
// looks, with what a party can see and read, for all that would keep the run
// from succeeding. A [Provisioner] deploys what a party needs in Azure
// ([Provision]) and the room, and waits for its end; a [Control] starts and
// watches the applications of a room with the platform's launcher.
//
// In the room, [Enter] reads what the template put into the environment, and
// fails unless every party consents to the execution. [Room.OpenDB] and
// [Room.Output] lead to the database and to the sinks; [Room.Close] ends the
// run with its log and an audit event.
//
// # Errors
//
// A refusal by a service or by a check is a [*DeniedError]: which check,
// wanted, got, what to do. Messages begin with "cleanroom:". A [*DocumentError]
// lists what is wrong with a text, a [*MergeConflictError] what two documents
// say differently, a [*ValidationError] what keeps a document from being used,
// and a [*PlanError] what keeps a run from succeeding. A [*KEKPolicyError] is a
// key that exists and must not be used, a [*DeployError] a refusal of Azure, a
// [*ControlError] one of the room's launcher, and an [*ExitError] a program
// that failed. What each id means is in docs/TROUBLESHOOTING.md of the module.
package cleanroom
