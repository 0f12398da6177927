// Package governance is the client of the clean room governance service (CGS)
// on a Confidential Consortium Framework (CCF) network.
package governance
