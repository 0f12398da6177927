// Package ccf emulates, in this process, a CCF network that runs CGS, the
// clean room governance service, release 8.0.0, governance api-version
// 2024-07-01.
package ccf
