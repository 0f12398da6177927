// Package maa emulates one instance of Microsoft Azure Attestation for SEV-SNP
// guests (api-versions 2020-10-01, 2022-08-01 and 2025-06-01).
//
// It verifies a report with its certificate chain, that the report binds the
// runtime data, and the endorsement of the launch measurement; then it answers
// with a signed token. Its own policy calls a guest azure-compliant-uvm when
// its measurement is endorsed, it cannot be debugged and it runs at VMPL 0. A
// guest that falls short gets a token without that claim: whether it is good
// enough is for the relying party to say.
package maa
