// Package sdk is the root of the Go SDK for Azure Confidential Clean Rooms. It
// holds no code; this page tells the story of its packages.
//
// Two parties who do not trust each other with their data agree on a contract
// in a governance ledger, an application on the Confidential Consortium
// Framework (CCF). One of them, the publisher, has a database. The other, the
// consumer, brings a program. The program runs in a confidential container
// group, the room. Only there, after the hardware has attested what runs, are
// the keys released that open the password of the database and the encrypted
// output.
//
// # The packages
//
// Package cleanroom is where to begin: the specification document on which the
// parties agree, the deployment made from it, the keys bound to that
// deployment, the verification of what the other party proposes, and the
// inside of the room.
//
// Package governance is the client of the ledger, for members and for rooms:
// a member's key signs, a member's certificate authenticates, and nothing
// listens on the way.
//
// Package skr leads from a hardware report to a key: attestation token, secure
// key release, and the policy that says why a release was refused. Its
// subpackage snp reads and verifies SEV-SNP reports.
//
// Package datasink reads and writes encrypted blobs, as an io.Writer that
// commits and an io.ReaderAt.
//
// Package dbsecret turns the secret that describes a database into a
// driver.Connector, and rows into the lines of an output file.
//
// Package record keeps who called whom, what was voted for and what was checked,
// without secrets, and draws it as a page.
//
// The module telemetry leads the spans of all of them to OpenTelemetry.
//
// Package cleanroom/cleanroomtest runs all of Azure's side on loopback, with
// the real protocols, for the tests of those who use this module.
//
// Coming from az cleanroom, read docs/MIGRATION.md; refused, read
// docs/TROUBLESHOOTING.md.
package sdk
