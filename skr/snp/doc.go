// Package snp reads and verifies SEV-SNP attestation reports.
//
// A [Verifier] answers whether a report is authentic: a processor of the
// trusted roots signed it, its certificate belongs to the firmware and chip
// that the report names, and it is bound to the runtime data that came with
// it. [Validate] answers whether an authentic report is acceptable. Both list
// every check, passed or not.
//
//	result, err := snp.NewVerifier(nil).Verify(evidence)
//	...
//	checks, err := snp.Validate(result.Report, &snp.ValidateOptions{HostData: [][]byte{want}})
//
// Verification needs no network: the chain comes with the evidence, and the
// roots are AMD's, embedded. A verifier with other roots has another
// constructor, whose name says what it is for.
//
// # Errors
//
// A refusal is a *skr.DeniedError with the identifiers report.format,
// certificates.format, report.signature, report.certificate and report.data,
// or, from Validate, report.host-data, report.debug and report.vmpl.
package snp
