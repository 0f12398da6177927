// Package terminaltest gives tests a terminal of their own, on Linux.
package terminaltest
