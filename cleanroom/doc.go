// Package cleanroom holds the specification document on which the parties of a
// clean room agree.
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
// Documents are YAML of generation G2. [ParseSpecification] is strict: an
// unknown key, a repeated one, a wrong kind of value or a wrong word of an
// enumeration is a [Problem] with line, column and the nearest known name.
// The order of maps is kept, for it reaches the enforcement policy of the
// deployment. [Specification.WriteFile] sorts the keys, writes every field,
// and replaces the file atomically.
//
// # Errors
//
// Messages begin with "cleanroom:". [DocumentError] lists what is wrong with
// a text, [MergeConflictError] what two documents say differently, and
// [ValidationError] what keeps a document from being used.
package cleanroom
