package snp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where confidential ACI puts what belongs to a report. The directory's name
// has a random part; older hosts pass the values as variables instead.
const (
	contextVariable = "UVM_SECURITY_CONTEXT_DIR"
	contextPrefix   = "security-context-"
	contextFallback = "/opt/confidential-containers/share/kata-containers"

	policyFile          = "security-policy-base64"
	policyVariable      = "UVM_SECURITY_POLICY"
	endorsementFile     = "reference-info-base64"
	endorsementVariable = "UVM_REFERENCE_INFO"
	hostCertFile        = "host-amd-cert-base64"
	hostCertVariable    = "UVM_HOST_AMD_CERTIFICATE"

	// maxContextFile bounds a file's base64. A policy may be large; the other
	// two have about 20 KiB.
	maxContextFile = 4 << 20
)

// SecurityContext is what confidential ACI gives a container group beside its
// device. A value that the platform does not give is nil.
type SecurityContext struct {
	// Dir is where the files were looked for.
	Dir string
	// Policy is the security policy, whose SHA-256 is the report's HOST_DATA.
	Policy []byte
	// UVMEndorsements is the COSE_Sign1 document of the utility VM.
	UVMEndorsements []byte
	// HostCertificates is the JSON document that [ParseChain] reads.
	HostCertificates []byte
}

// SecurityContextOptions say where the security context is. The zero value
// fits confidential ACI.
type SecurityContextOptions struct {
	// Dir is the directory of the files; empty means that of the environment
	// variable UVM_SECURITY_CONTEXT_DIR, else the first one in the root
	// directory whose name contains security-context-, else
	// /opt/confidential-containers/share/kata-containers.
	Dir string
	// Getenv looks variables up; nil means os.Getenv.
	Getenv func(string) string

	root string // of the search; "/" but in tests
}

// ReadSecurityContext reads the files security-policy-base64,
// reference-info-base64 and host-amd-cert-base64, as they are now: the platform
// may write them anew. A file that is missing or empty is no error. Where there
// is no reference-info-base64 the host may be an old one, which passes the
// variables UVM_REFERENCE_INFO, UVM_HOST_AMD_CERTIFICATE and
// UVM_SECURITY_POLICY: the ones that are set then go before the files, since
// they belong together. A value that is no base64, or longer than 4 MiB, is an
// error; line breaks are allowed.
func ReadSecurityContext(opts *SecurityContextOptions) (*SecurityContext, error) {
	if opts == nil {
		opts = &SecurityContextOptions{}
	}
	c, err := opts.read()
	if err != nil {
		return nil, fmt.Errorf("skr/snp: read security context: %w", err)
	}
	return c, nil
}

func (o *SecurityContextOptions) env(name string) string {
	if o.Getenv == nil {
		return os.Getenv(name)
	}
	return o.Getenv(name)
}

// read decodes the named files, or all: what is not used must not stop what is.
func (o *SecurityContextOptions) read(files ...string) (*SecurityContext, error) {
	c := &SecurityContext{Dir: o.directory()}
	values := []struct {
		file, variable string
		to             *[]byte
	}{
		{endorsementFile, endorsementVariable, &c.UVMEndorsements},
		{hostCertFile, hostCertVariable, &c.HostCertificates},
		{policyFile, policyVariable, &c.Policy},
	}
	environment := false
	for _, v := range values {
		name := filepath.Join(c.Dir, v.file)
		text, err := readFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if v.file == endorsementFile {
			environment = text == ""
		}
		if fallback := strings.TrimSpace(o.env(v.variable)); fallback != "" && (environment || text == "") {
			text, name = fallback, v.variable
		}
		if text == "" || len(files) > 0 && !slices.Contains(files, v.file) {
			continue
		}
		if len(text) > maxContextFile {
			return nil, fmt.Errorf("%s: more than %d bytes", name, maxContextFile)
		}
		// The decoder skips line breaks, inside and behind the text.
		if *v.to, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

func (o *SecurityContextOptions) directory() string {
	if o.Dir != "" {
		return o.Dir
	}
	if dir := o.env(contextVariable); dir != "" {
		return dir
	}
	root := o.root
	if root == "" {
		root = "/"
	}
	entries, err := os.ReadDir(root)
	if err == nil {
		for _, e := range entries {
			if strings.Contains(e.Name(), contextPrefix) {
				return filepath.Join(root, e.Name())
			}
		}
	}
	return contextFallback
}

// readFile is a file's text without blanks around it.
func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxContextFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxContextFile {
		return "", fmt.Errorf("%s: more than %d bytes", name, maxContextFile)
	}
	return strings.TrimSpace(string(b)), nil
}
