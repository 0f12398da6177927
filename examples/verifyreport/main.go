// Command verifyreport judges a captured SEV-SNP attestation report offline,
// against the roots of AMD and Microsoft that are compiled in, and says each
// check. See docs/VERIFY_REPORT.md.
package main

import (
	"os"

	"github.com/cleanroom-go/sdk/examples/internal/verifyreport"
)

func main() { os.Exit(verifyreport.Main(os.Args[1:], os.Stdout, os.Stderr, nil)) }
