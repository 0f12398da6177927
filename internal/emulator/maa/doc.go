// Package maa emulates Microsoft Azure Attestation for SEV-SNP guests:
// it verifies a report with its certificate chain and the endorsements of the
// launch measurement, and answers with a signed token (api-versions 2020-10-01,
// 2022-08-01 and 2025-06-01).
package maa
