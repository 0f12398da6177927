package snp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Where confidential ACI puts what belongs to a report. The directory's name
// has a random part; older hosts pass the values as variables instead.
const (
	contextVariable = "UVM_SECURITY_CONTEXT_DIR"
	contextPrefix   = "security-context-"
	contextFallback = "/opt/confidential-containers/share/kata-containers"

	endorsementFile     = "reference-info-base64"
	endorsementVariable = "UVM_REFERENCE_INFO"
	hostCertFile        = "host-amd-cert-base64"
	hostCertVariable    = "UVM_HOST_AMD_CERTIFICATE"

	// maxContextFile is ten times the size of the largest genuine file.
	maxContextFile = 256 << 10
)

// securityContext is what the platform gives beside the device.
type securityContext struct {
	certificates []byte // PEM: VCEK, ASK, ARK
	tcb          uint64 // of the VCEK
	endorsements []byte // COSE_Sign1; nil if there are none
}

// contextSource reads the security context. It is read again when the TCB of
// the host has changed.
type contextSource struct {
	dir    string // empty: found by rule
	root   string // "/" but in tests
	getenv func(string) string
}

func (s *contextSource) read() (*securityContext, error) {
	dir := s.directory()
	host, err := s.value(dir, hostCertFile, hostCertVariable)
	if err != nil {
		return nil, err
	}
	if len(host) == 0 {
		return nil, fmt.Errorf("no certificates: neither %s nor %s is set; is this a confidential container group?",
			filepath.Join(dir, hostCertFile), hostCertVariable)
	}
	c := &securityContext{}
	if c.certificates, c.tcb, err = parseHostCertificates(host); err != nil {
		return nil, fmt.Errorf("%s: %w", hostCertFile, err)
	}
	if c.endorsements, err = s.value(dir, endorsementFile, endorsementVariable); err != nil {
		return nil, err
	}
	return c, nil
}

func (s *contextSource) directory() string {
	if s.dir != "" {
		return s.dir
	}
	if dir := s.getenv(contextVariable); dir != "" {
		return dir
	}
	entries, err := os.ReadDir(s.root)
	if err == nil {
		for _, e := range entries {
			if strings.Contains(e.Name(), contextPrefix) {
				return filepath.Join(s.root, e.Name())
			}
		}
	}
	return contextFallback
}

// value reads a base64 file, or the variable that stands in for it. Neither
// being there is no error.
func (s *contextSource) value(dir, file, variable string) ([]byte, error) {
	text, err := readFile(filepath.Join(dir, file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	name := filepath.Join(dir, file)
	if strings.TrimSpace(text) == "" {
		text, name = s.getenv(variable), variable
	}
	// The decoder skips line breaks, inside and behind the text.
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

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
	return string(b), nil
}

// parseHostCertificates reads the THIM document: the VCEK, the chain above it,
// and the TCB they are for as hex of a big-endian number without prefix.
func parseHostCertificates(b []byte) (chain []byte, tcb uint64, err error) {
	var doc struct {
		VCEK  string `json:"vcekCert"`
		Chain string `json:"certificateChain"`
		TCBM  string `json:"tcbm"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, 0, err
	}
	tcb, err = strconv.ParseUint(doc.TCBM, 16, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("tcbm %q is no hex number", doc.TCBM)
	}
	chain = []byte(doc.VCEK + doc.Chain)
	if _, err := findVCEK(chain); err != nil {
		return nil, 0, err
	}
	return chain, tcb, nil
}
