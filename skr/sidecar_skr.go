package skr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// SidecarClientOptions are the options of [NewSidecarClient]. The zero value is
// ready.
type SidecarClientOptions struct {
	SidecarOptions
	// ClientOptions are used for the key sets of attestation services.
	ClientOptions azcore.ClientOptions
	// Endorsements gives the certificates of VCEK, ASK and ARK in PEM and the
	// UVM endorsement of a report, for sidecars older than December 2025, which
	// return the report alone. nil means none: then Attest fails with those.
	Endorsements func(ctx context.Context, report []byte) (certificates, uvm []byte, err error)
}

// SidecarClient speaks to the SKR sidecar of a confidential container group
// (docker image confidential-sidecar-containers/skr, version 2.6 to 2.13),
// which has the SEV-SNP device. It is safe for concurrent use.
//
// The sidecar asks nobody who they are and answers in the clear: whatever runs
// in the group can use it. It is nothing more than the device in another form,
// so its evidence, tokens and keys are checked as those of the device are.
type SidecarClient struct {
	*sidecarClient
	azure        azcore.ClientOptions
	endorsements func(context.Context, []byte) ([]byte, []byte, error)
}

var _ Attester = (*SidecarClient)(nil)

// NewSidecarClient makes a client of the sidecar at endpoint, [SidecarURL] if
// it is empty. Nothing is sent.
func NewSidecarClient(endpoint string, opts *SidecarClientOptions) (*SidecarClient, error) {
	if endpoint == "" {
		endpoint = SidecarURL
	}
	if opts == nil {
		opts = &SidecarClientOptions{}
	}
	c, err := newSidecarClient("SKR sidecar", endpoint, &opts.SidecarOptions)
	if err != nil {
		return nil, err
	}
	return &SidecarClient{c, opts.ClientOptions, opts.Endorsements}, nil
}

// Close closes idle connections.
func (s *SidecarClient) Close() { s.close() }

// Status asks whether the sidecar works, on GET /status. It answers 200 in
// either case; the text decides.
func (s *SidecarClient) Status(ctx context.Context) error {
	o, err := s.call(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return fmt.Errorf("skr: status: %w", err)
	}
	message, err := textMember(o, "message")
	if err != nil {
		return fmt.Errorf("skr: status: the %s: %w", s.name, err)
	}
	if !strings.EqualFold(strings.TrimSpace(message), "status ok") {
		return fmt.Errorf("skr: status: the %s says %q; look at its log", s.name, shorten(message))
	}
	return nil
}

// runtimeDataBody is what the three attest routes take; only padded standard
// base64 is read there.
type runtimeDataBody struct {
	MAAEndpoint string `json:"maa_endpoint,omitempty"`
	RuntimeData []byte `json:"runtime_data"`
}

// Report makes a report of 1184 bytes, on POST /attest/raw, whose REPORT_DATA
// is the SHA-256 of the runtime data and 32 zero bytes; that it is was checked.
func (s *SidecarClient) Report(ctx context.Context, runtimeData []byte) ([]byte, error) {
	const op = "skr: report"
	if len(runtimeData) == 0 {
		return nil, errors.New(op + ": no runtime data; the sidecar takes none for a mistake")
	}
	o, err := s.call(ctx, http.MethodPost, "/attest/raw", runtimeDataBody{RuntimeData: runtimeData})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	text, err := textMember(o, "report")
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: %w", op, s.name, err)
	}
	report, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: the report is not hexadecimal", op, s.name)
	}
	if err := checkReport(report, runtimeData); err != nil {
		return nil, fmt.Errorf("%s: the %s: %w", op, s.name, err)
	}
	return report, nil
}

// checkReport finds a report that cannot be for this runtime data.
func checkReport(report, runtimeData []byte) error {
	if len(report) != reportSize {
		return fmt.Errorf("the report has %d bytes, want %d", len(report), reportSize)
	}
	want := reportDataFor(runtimeData)
	if !bytes.Equal(report[reportDataOffset:reportDataOffset+reportDataSize], want[:]) {
		return errors.New("REPORT_DATA is not the SHA-256 of the runtime data; it made a report for other bytes")
	}
	return nil
}

// Attest implements [Attester], on POST /attest/combined. A sidecar without
// that route is asked on /attest/raw, and the certificates come from
// [SidecarClientOptions.Endorsements].
//
// The certificates are those that the sidecar read when it started: after an
// update of the host's firmware they no longer fit the report, and whoever
// verifies it says so.
func (s *SidecarClient) Attest(ctx context.Context, runtimeData []byte) (*Evidence, error) {
	const op = "skr: attest"
	if len(runtimeData) == 0 {
		return nil, errors.New(op + ": no runtime data; the sidecar takes none for a mistake")
	}
	o, err := s.call(ctx, http.MethodPost, "/attest/combined", runtimeDataBody{RuntimeData: runtimeData})
	var refused *SidecarError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return s.attestRaw(ctx, runtimeData)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	ev, err := readCombined(o)
	if err == nil {
		err = checkReport(ev.Report, runtimeData)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: %w", op, s.name, err)
	}
	ev.RuntimeData = bytes.Clone(runtimeData)
	return ev, nil
}

// readCombined reads an answer of /attest/combined. Its endorsed_tcb is left
// alone: it is a text about the certificates, which speak for themselves.
func readCombined(o map[string]json.RawMessage) (*Evidence, error) {
	ev := &Evidence{}
	for _, m := range []struct {
		name     string
		to       *[]byte
		required bool
	}{{"evidence", &ev.Report, true}, {"endorsements", &ev.Certificates, true}, {"uvm_endorsements", &ev.UVMEndorsements, false}} {
		text, err := textMember(o, m.name)
		if err != nil {
			if m.required {
				return nil, err
			}
			continue
		}
		// The endorsement is the text of a file, with the file's line ends.
		if *m.to, err = base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil {
			return nil, fmt.Errorf("%q is not base64", m.name)
		}
	}
	return ev, nil
}

// attestRaw is Attest of the older sidecars.
func (s *SidecarClient) attestRaw(ctx context.Context, runtimeData []byte) (*Evidence, error) {
	if s.endorsements == nil {
		return nil, fmt.Errorf("skr: attest: the %s returns reports without their certificates; give them in SidecarClientOptions.Endorsements, or use a sidecar with /attest/combined", s.name)
	}
	report, err := s.Report(ctx, runtimeData)
	if err != nil {
		return nil, err
	}
	certificates, uvm, err := s.endorsements(ctx, report)
	if err != nil {
		return nil, fmt.Errorf("skr: attest: endorsements: %w", err)
	}
	return &Evidence{Report: report, Certificates: certificates, UVMEndorsements: uvm, RuntimeData: bytes.Clone(runtimeData)}, nil
}

// Token gets a token of the attestation service at endpoint about this guest
// and the runtime data, which must be a JSON object, on POST /attest/maa, and
// verifies it as [MAAClient.Attest] does, but for the nonce, which the sidecar
// chooses and does not tell.
func (s *SidecarClient) Token(ctx context.Context, endpoint string, runtimeData []byte) (*AttestationToken, error) {
	service, err := NewMAAClient(endpoint, &MAAClientOptions{ClientOptions: s.azure})
	if err != nil {
		return nil, err
	}
	return s.token(ctx, service, runtimeData)
}

func (s *SidecarClient) token(ctx context.Context, service *MAAClient, runtimeData []byte) (*AttestationToken, error) {
	op := "skr: attest with " + hostOf(service.endpoint)
	if _, err := decodeObjectStrict(runtimeData); err != nil {
		return nil, fmt.Errorf("%s: the runtime data must be a JSON object: %w", op, err)
	}
	o, err := s.call(ctx, http.MethodPost, "/attest/maa", runtimeDataBody{bareHost(service.endpoint), runtimeData})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	raw, err := textMember(o, "token")
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: %w", op, s.name, err)
	}
	return service.verify(ctx, raw, "", runtimeData)
}

// Format names the sidecar.
func (s *SidecarClient) Format(f fmt.State, _ rune) { fmt.Fprint(f, "client of the ", s.name) }

var _ fmt.Formatter = (*SidecarClient)(nil)
