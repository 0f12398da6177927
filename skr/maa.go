package skr

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/trace"
)

const (
	maaAPIVersion = "2022-08-01"
	// keySetLifetime is how long a fetched key set answers without being
	// fetched again, unless a kid is not in it.
	keySetLifetime = time.Hour
	// missLifetime is how long a fetch for the sake of an unknown kid keeps
	// further ones away: whoever sends tokens of invented kids must not make us
	// press the service. After a rotation the first token fetches at once.
	missLifetime  = time.Minute
	defaultLeeway = 5 * time.Minute

	// Offsets in an SEV-SNP attestation report (AMD 56860, table 23).
	reportSize       = 1184
	reportDataOffset = 80
	reportDataSize   = 64
)

// MAAClientOptions are the options of [NewMAAClient]. The zero value is ready.
type MAAClientOptions struct {
	azcore.ClientOptions
	// Leeway is how far the clocks of service and guest may differ; zero means
	// 5 minutes, a negative value none.
	Leeway time.Duration
}

// MAAClient asks one instance of Azure Attestation for tokens and verifies
// them. It may be used by several goroutines.
type MAAClient struct {
	endpoint string // https://host[:port]
	host     string
	pipeline runtime.Pipeline
	leeway   time.Duration
	tracer   trace.Tracer
	now      func() time.Time

	// keys is guarded by lock, a semaphore that a context can stop waiting for.
	lock    chan struct{}
	keys    map[string]*rsa.PublicKey
	fetched time.Time
	missed  time.Time // of the last fetch for an unknown kid
}

// NewMAAClient makes a client of the instance at endpoint, a host or an https
// URL. Tokens must be issued by exactly this host.
func NewMAAClient(endpoint string, opts *MAAClientOptions) (*MAAClient, error) {
	host, err := normalizeEndpoint(endpoint)
	if err != nil {
		return nil, fmt.Errorf("skr: attestation service: endpoint %w", err)
	}
	if opts == nil {
		opts = &MAAClientOptions{}
	}
	azure := clientOptions(opts.ClientOptions)
	leeway := opts.Leeway
	switch {
	case leeway == 0:
		leeway = defaultLeeway
	case leeway < 0:
		leeway = 0
	}
	return &MAAClient{
		endpoint: host,
		host:     hostOf(host),
		pipeline: runtime.NewPipeline("skr", "v0.1.0", runtime.PipelineOptions{}, &azure),
		leeway:   leeway,
		tracer:   trace.New(azure.TracingProvider, "skr"),
		now:      time.Now,
		lock:     make(chan struct{}, 1),
	}, nil
}

// Attest exchanges evidence for a token and verifies it: signature under a key
// of the configured host, issuer, lifetime, nonce, and that it speaks of
// exactly this runtime data. An empty nonce is not sent. The error is a
// [*DeniedError] if the token failed a check, else it wraps the service's
// *azcore.ResponseError.
func (c *MAAClient) Attest(ctx context.Context, ev *Evidence, nonce string) (_ *AttestationToken, err error) {
	ctx, end := c.tracer.Start(ctx, "Attest")
	defer end(&err)
	op := "skr: attest with " + c.host
	var l checklist
	l.checkEvidence(ev)
	if err := l.denied(op, "this program"); err != nil {
		return nil, err
	}
	raw, err := c.request(ctx, ev, nonce)
	if err != nil {
		return nil, attestFailure(op, c.host, err)
	}
	return c.verify(ctx, raw, nonce, ev.RuntimeData)
}

// Verify verifies a token that somebody else obtained. It cannot know the
// runtime data; compare the claim x-ms-runtime before trusting a key in it. An
// empty nonce is not compared.
func (c *MAAClient) Verify(ctx context.Context, raw, nonce string) (*AttestationToken, error) {
	return c.verify(ctx, raw, nonce, nil)
}

// The request nests four levels of padded URL base64 (API 2022-08-01,
// AttestSevSnpVm); member names count with their case.
type (
	maaRequest struct {
		Report      string         `json:"report"`
		RuntimeData maaRuntimeData `json:"runtimeData"`
		Nonce       string         `json:"nonce,omitempty"`
	}
	maaRuntimeData struct {
		Data     string `json:"data"`
		DataType string `json:"dataType"`
	}
	maaReport struct {
		SnpReport     string
		VcekCertChain string
		Endorsements  string `json:",omitempty"`
	}
	maaEndorsements struct{ Uvm []string }
)

func newMAARequest(ev *Evidence, nonce string) (*maaRequest, error) {
	enc := base64.URLEncoding.EncodeToString
	report := maaReport{SnpReport: enc(ev.Report), VcekCertChain: enc(ev.Certificates)}
	if len(ev.UVMEndorsements) > 0 {
		b, err := json.Marshal(maaEndorsements{Uvm: []string{enc(ev.UVMEndorsements)}})
		if err != nil {
			return nil, err
		}
		report.Endorsements = enc(b)
	}
	b, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	return &maaRequest{enc(b), maaRuntimeData{enc(ev.RuntimeData), "JSON"}, nonce}, nil
}

// checkEvidence finds here what the service would refuse with less words.
func (l *checklist) checkEvidence(ev *Evidence) {
	if ev == nil {
		ev = &Evidence{}
	}
	const remedy = "the attester is at fault: give its evidence as the platform gave it"
	if l.equal("evidence.report", fmt.Sprintf("a report of %d bytes", reportSize), fmt.Sprintf("a report of %d bytes", len(ev.Report)), remedy) {
		want := reportDataFor(ev.RuntimeData)
		l.equal("evidence.report-data", hex.EncodeToString(want[:]), hex.EncodeToString(ev.Report[reportDataOffset:reportDataOffset+reportDataSize]),
			"the attester bound other bytes than the runtime data: attest again")
	}
	got := "none"
	if len(ev.Certificates) > 0 {
		got = "certificates"
	}
	l.equal("evidence.certificates", "certificates", got, "pass on what the platform gives in host-amd-cert-base64")
	_, err := decodeObjectStrict(ev.RuntimeData)
	l.that("evidence.runtime-data", "a JSON object", describe(err, "a JSON object"), "attest the key set of a transfer key", err)
}

// attestFailure is a denial where the service judged the evidence, and passes
// everything else on. Its codes are open: only the status counts.
func attestFailure(op, host string, err error) error {
	var service *serviceError
	if !errors.As(err, &service) || service.err.StatusCode != http.StatusBadRequest && service.err.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s: %w", op, err)
	}
	return check.Denied(op, host, []Check{{
		ID: "attest.evidence", Want: "evidence that the service accepts", Got: shorten(service.message),
		Remedy: "pass report, certificates and endorsements on unchanged; if they are, the certificates may belong to an older state of the host: fetch them again",
		Err:    errRefused,
	}}, service)
}

// reportDataFor is the REPORT_DATA of evidence for runtimeData.
func reportDataFor(runtimeData []byte) (data [reportDataSize]byte) {
	sum := sha256.Sum256(runtimeData)
	copy(data[:], sum[:])
	return data
}

func (c *MAAClient) request(ctx context.Context, ev *Evidence, nonce string) (string, error) {
	body, err := newMAARequest(ev, nonce)
	if err != nil {
		return "", err
	}
	req, err := runtime.NewRequest(ctx, http.MethodPost, c.endpoint+"/attest/SevSnpVm?api-version="+maaAPIVersion)
	if err != nil {
		return "", err
	}
	if err := runtime.MarshalAsJSON(req, body); err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := c.do(req, &answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", errors.New("the answer holds no token")
	}
	return answer.Token, nil
}

// do sends a request and reads its 200 answer into v.
func (c *MAAClient) do(req *policy.Request, v any) error {
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return explainService(runtime.NewResponseError(resp))
	}
	return runtime.UnmarshalAsJSON(resp, v)
}
