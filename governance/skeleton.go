package governance

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"time"
)

type MemberKeys struct{ CertificatePEM, PrivateKeyPEM []byte }
type MemberKeysOptions struct {
	Curve    elliptic.Curve
	Validity time.Duration
}

func GenerateMemberKeys(name string, opts *MemberKeysOptions) (*MemberKeys, error) {
	return nil, errors.ErrUnsupported
}

type Member struct{}

func NewMember(cert *x509.Certificate, key crypto.Signer) (*Member, error) {
	return nil, errors.ErrUnsupported
}
func ParseMember(certPEM, keyPEM []byte) (*Member, error)  { return nil, errors.ErrUnsupported }
func LoadMember(certFile, keyFile string) (*Member, error) { return nil, errors.ErrUnsupported }
func (m *Member) ID() string                               { return "" }
func (m *Member) CertificatePEM() []byte                   { return nil }
func MemberID(cert *x509.Certificate) string               { return "" }
func SecretID(memberID, name string) string                { return memberID + "_" + name }

type ClientOptions struct {
	ServiceCertificate []byte
	DialContext        func(ctx context.Context, network, addr string) (net.Conn, error)
	Transport          func(http.RoundTripper) http.RoundTripper
	PollInterval       time.Duration
	Logger             *slog.Logger
}
type RoomClientOptions struct {
	ServiceCertificate []byte
	DialContext        func(ctx context.Context, network, addr string) (net.Conn, error)
	Transport          func(http.RoundTripper) http.RoundTripper
	PollInterval       time.Duration
	Logger             *slog.Logger
}
type Client struct{}

func NewClient(endpoint string, member *Member, opts *ClientOptions) (*Client, error) {
	return nil, errors.ErrUnsupported
}
func (c *Client) Close()          {}
func (c *Client) Member() *Member { return nil }

type Network struct {
	Status             string
	ServiceCertificate []byte
}
type ServiceInfo struct {
	Status      string
	Certificate []byte
}

func (c *Client) Network(ctx context.Context) (*Network, error) { return nil, errors.ErrUnsupported }
func (c *Client) ServiceInfo(ctx context.Context) (*ServiceInfo, error) {
	return nil, errors.ErrUnsupported
}
func (c *Client) WaitReady(ctx context.Context) error { return errors.ErrUnsupported }

type MemberData struct {
	Identifier, TenantID                                          string
	IsOperator, IsRecoveryOperator, CGSOperator, ContractOperator bool
	Extra                                                         map[string]json.RawMessage
}
type MemberInfo struct {
	ID, Status     string
	Data           MemberData
	CertificatePEM []byte
	RecoveryRole   string
}

func (c *Client) Members(ctx context.Context) ([]MemberInfo, error) {
	return nil, errors.ErrUnsupported
}
func (c *Client) Activate(ctx context.Context) error { return errors.ErrUnsupported }

type Action struct {
	Name string `json:"name"`
	Args any    `json:"args"`
}

func (a Action) DecodeArgs(v any) error                                    { return errors.ErrUnsupported }
func SetMember(certPEM []byte, data MemberData) Action                     { return Action{} }
func SetMemberData(memberID string, data MemberData) Action                { return Action{} }
func RemoveMember(memberID string, certPEM []byte) Action                  { return Action{} }
func OpenService(serviceCertPEM []byte) Action                             { return Action{} }
func EnableOIDCIssuer(kid string) Action                                   { return Action{} }
func SetContract(contractID string, contract any) Action                   { return Action{} }
func SetDeploymentSpec(contractID string, template json.RawMessage) Action { return Action{} }
func SetCleanRoomPolicy(contractID string, update PolicyUpdate) Action     { return Action{} }
func EnableLogging(contractID string) Action                               { return Action{} }
func DisableLogging(contractID string) Action                              { return Action{} }
func EnableTelemetry(contractID string) Action                             { return Action{} }
func DisableTelemetry(contractID string) Action                            { return Action{} }
func HostDataPolicy(hostData string) PolicyUpdate                          { return PolicyUpdate{} }
func (c *Client) Propose(ctx context.Context, actions ...Action) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (c *Client) Proposals(ctx context.Context) ([]Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (c *Client) Proposal(id string) *ProposalClient { return nil }

const (
	ProposalOpen      = "Open"
	ProposalAccepted  = "Accepted"
	ProposalRejected  = "Rejected"
	ProposalWithdrawn = "Withdrawn"
	ProposalFailed    = "Failed"
	ProposalDropped   = "Dropped"
)

type Proposal struct {
	ID, ProposerID, State string
	BallotCount           int
	FinalVotes            map[string]bool
}
type ProposalClient struct{}

func (p *ProposalClient) ID() string { return "" }
func (p *ProposalClient) Show(ctx context.Context) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (p *ProposalClient) Actions(ctx context.Context) ([]Action, error) {
	return nil, errors.ErrUnsupported
}
func (p *ProposalClient) Vote(ctx context.Context, accept bool) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (p *ProposalClient) Withdraw(ctx context.Context) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (p *ProposalClient) Wait(ctx context.Context) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}

type Vote string

const (
	VoteNone   Vote = ""
	VoteAccept Vote = "accept"
	VoteReject Vote = "reject"
	VoteScript Vote = "script"
)

type Ballot struct {
	MemberID, Identifier, Status string
	Needed                       bool
	Vote                         Vote
}

func (p *ProposalClient) Ballots(ctx context.Context) ([]Ballot, error) {
	return nil, errors.ErrUnsupported
}
func MissingVotes(ballots []Ballot) []Ballot { return nil }

const (
	ContractDraft    = "Draft"
	ContractProposed = "Proposed"
	ContractAccepted = "Accepted"
)

type Contract struct {
	ID, State, Version, Data, ProposalID string
	FinalVotes                           map[string]bool
}

var ErrContractModified = errors.New("the contract has another version")

func (c *Client) Contracts(ctx context.Context) ([]string, error) { return nil, errors.ErrUnsupported }
func (c *Client) Contract(id string) *ContractClient              { return nil }

type ContractClient struct{}

func (c *ContractClient) ID() string { return "" }
func (c *ContractClient) Get(ctx context.Context) (*Contract, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) Create(ctx context.Context, data string) (version string, err error) {
	return "", errors.ErrUnsupported
}
func (c *ContractClient) Update(ctx context.Context, data, version string) (newVersion string, err error) {
	return "", errors.ErrUnsupported
}
func (c *ContractClient) Propose(ctx context.Context, version string) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) Vote(ctx context.Context, proposalID string, accept bool) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}

type DeploymentSpec struct {
	ProposalIDs []string
	Data        json.RawMessage
}

func (c *ContractClient) DeploymentSpec(ctx context.Context) (*DeploymentSpec, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) ProposeDeploymentSpec(ctx context.Context, template json.RawMessage) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}

type PolicyUpdate struct {
	Type       string         `json:"type"`
	PolicyType string         `json:"policyType,omitempty"`
	Claims     map[string]any `json:"claims"`
}
type CleanRoomPolicy struct {
	ProposalIDs []string
	Claims      map[string][]any
}

func (p *CleanRoomPolicy) HostData() []string { return nil }
func (c *ContractClient) CleanRoomPolicy(ctx context.Context) (*CleanRoomPolicy, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) ProposeCleanRoomPolicy(ctx context.Context, update PolicyUpdate) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}

type RuntimeOption string

const (
	Execution RuntimeOption = "execution"
	Logging   RuntimeOption = "logging"
	Telemetry RuntimeOption = "telemetry"
)

type OptionStatus struct {
	ContractID         string
	Option             RuntimeOption
	Enabled            bool
	ReasonCode, Reason string
	ProposalIDs        []string
}

func (s *OptionStatus) Err() error { return nil }
func (c *ContractClient) Option(ctx context.Context, o RuntimeOption) (*OptionStatus, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) ProposeLogging(ctx context.Context) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) ProposeTelemetry(ctx context.Context) (*Proposal, error) {
	return nil, errors.ErrUnsupported
}
func (c *ContractClient) EnableExecution(ctx context.Context) error  { return errors.ErrUnsupported }
func (c *ContractClient) DisableExecution(ctx context.Context) error { return errors.ErrUnsupported }
func (c *ContractClient) PutSecret(ctx context.Context, name string, value string) (id string, err error) {
	return "", errors.ErrUnsupported
}
func (c *ContractClient) Secrets(ctx context.Context) ([]string, error) {
	return nil, errors.ErrUnsupported
}

type Event struct {
	ID, Scope string
	Seqno     int64
	Time      time.Time
	Data      json.RawMessage
}
type EventsOptions struct {
	ID, Scope          string
	Latest             bool
	From, To, PageSize int64
}

func (c *ContractClient) Events(ctx context.Context, opts *EventsOptions) iter.Seq2[Event, error] {
	return nil
}

type OIDCClient struct{}
type IssuerInfo struct {
	Enabled                              bool
	IssuerURL, TenantID, TenantIssuerURL string
}

func (c *Client) OIDC() *OIDCClient { return nil }
func (o *OIDCClient) Info(ctx context.Context) (*IssuerInfo, error) {
	return nil, errors.ErrUnsupported
}
func (o *OIDCClient) GenerateSigningKey(ctx context.Context) (kid string, err error) {
	return "", errors.ErrUnsupported
}
func (o *OIDCClient) Keys(ctx context.Context) (json.RawMessage, error) {
	return nil, errors.ErrUnsupported
}
func (o *OIDCClient) SetIssuerURL(ctx context.Context, issuerURL string) error {
	return errors.ErrUnsupported
}
func IssuerDocuments(issuerURL string, keys json.RawMessage) (configuration, jwks []byte, err error) {
	return nil, nil, errors.ErrUnsupported
}

type ErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
type ServiceError struct {
	Op            string
	StatusCode    int
	Code, Message string
	Details       []ErrorDetail
	Remedy        string
}

func (e *ServiceError) Error() string { return "" }

type Evidence struct{ Report, Certificates, UVMEndorsements []byte }
type Attester interface {
	Evidence(ctx context.Context, runtimeData []byte) (*Evidence, error)
}
type RoomClient struct{}

func NewRoomClient(endpoint, contractID string, attester Attester, opts *RoomClientOptions) (*RoomClient, error) {
	return nil, errors.ErrUnsupported
}

type TokenRequest struct {
	Subject, TenantID, Audience, Issuer string
	Lifetime                            time.Duration
}
type PutEventOptions struct{ ID, Scope string }

func (r *RoomClient) ContractID() string { return "" }
func (r *RoomClient) Secret(ctx context.Context, id string) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
func (r *RoomClient) Token(ctx context.Context, t TokenRequest) (string, error) {
	return "", errors.ErrUnsupported
}
func (r *RoomClient) Consent(ctx context.Context, o RuntimeOption) (*OptionStatus, error) {
	return nil, errors.ErrUnsupported
}
func (r *RoomClient) PutEvent(ctx context.Context, event any, opts *PutEventOptions) error {
	return errors.ErrUnsupported
}
func (r *RoomClient) DeploymentSpec(ctx context.Context) (*DeploymentSpec, error) {
	return nil, errors.ErrUnsupported
}
func (r *RoomClient) HostData() string { return "" }
func (r *RoomClient) Close()           {}

type Room interface {
	Secret(ctx context.Context, id string) ([]byte, error)
	Token(ctx context.Context, t TokenRequest) (string, error)
	Consent(ctx context.Context, o RuntimeOption) (*OptionStatus, error)
	PutEvent(ctx context.Context, event any, opts *PutEventOptions) error
}
