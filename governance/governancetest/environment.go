package governancetest

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// Environment is a service and who may use it.
type Environment struct {
	// Endpoint is the address of the service, https://host[:port].
	Endpoint string
	// ServiceCertificate is the certificate of the service in PEM.
	ServiceCertificate []byte
	// Founder is the genesis member: registered, active or not, and the only one
	// whose vote counts.
	Founder *governance.Member
	// DialContext opens connections; nil means the network.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// PollInterval is that of [governance.ClientOptions].
	PollInterval time.Duration
	// RoomKey and RoomEvidence are a clean room's, made for one another, of any
	// host data. Without them the steps of a room are left out.
	RoomKey      *rsa.PrivateKey
	RoomEvidence *governance.Evidence
}

// Variables of [FromEnvironment]. All but the first name files.
const (
	EndpointVariable           = "CGS_ENDPOINT"
	ServiceCertificateVariable = "CGS_SERVICE_CERT"
	MemberCertificateVariable  = "CGS_MEMBER_CERT"
	MemberKeyVariable          = "CGS_MEMBER_KEY"
	RoomKeyVariable            = "CGS_ROOM_KEY"
	RoomEvidenceVariable       = "CGS_ROOM_EVIDENCE"
)

// FromEnvironment reads the environment that the process's variables name; ok
// is false if they name no endpoint.
func FromEnvironment() (env Environment, ok bool, err error) {
	if env.Endpoint = os.Getenv(EndpointVariable); env.Endpoint == "" {
		return env, false, nil
	}
	var missing []string
	for _, name := range []string{ServiceCertificateVariable, MemberCertificateVariable, MemberKeyVariable} {
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	key, evidence := os.Getenv(RoomKeyVariable), os.Getenv(RoomEvidenceVariable)
	if (key == "") != (evidence == "") {
		missing = append(missing, RoomKeyVariable+" and "+RoomEvidenceVariable+" together")
	}
	if len(missing) > 0 {
		return env, false, fmt.Errorf("governancetest: %s is set, but not %s", EndpointVariable, strings.Join(missing, ", "))
	}
	if env.ServiceCertificate, err = os.ReadFile(os.Getenv(ServiceCertificateVariable)); err != nil {
		return env, false, fmt.Errorf("governancetest: %s: %w", ServiceCertificateVariable, err)
	}
	if env.Founder, err = governance.LoadMember(os.Getenv(MemberCertificateVariable), os.Getenv(MemberKeyVariable)); err != nil {
		return env, false, fmt.Errorf("governancetest: genesis member: %w", err)
	}
	if key == "" {
		return env, true, nil
	}
	if env.RoomKey, err = readRoomKey(key); err != nil {
		return env, false, fmt.Errorf("governancetest: %s: %w", RoomKeyVariable, err)
	}
	if env.RoomEvidence, err = readEvidence(evidence); err != nil {
		return env, false, fmt.Errorf("governancetest: %s: %w", RoomEvidenceVariable, err)
	}
	return env, true, nil
}

// readRoomKey puts nothing of the file into an error.
func readRoomKey(file string) (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no private key", file)
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of type %T, not an RSA key", file, key)
	}
	return k, nil
}

// readEvidence reads base64 in JSON, in the spelling of the sidecar.
func readEvidence(file string) (*governance.Evidence, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Evidence        []byte `json:"evidence"`
		Endorsements    []byte `json:"endorsements"`
		UVMEndorsements []byte `json:"uvm_endorsements"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Evidence) == 0 || len(doc.Endorsements) == 0 {
		return nil, errors.New(file + " has no evidence or no endorsements")
	}
	return &governance.Evidence{Report: doc.Evidence, Certificates: doc.Endorsements, UVMEndorsements: doc.UVMEndorsements}, nil
}
