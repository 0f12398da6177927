package cleanroom_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/skr"
)

const (
	roomContract = "collab1"
	roomApp      = "app"
	roomImage    = "registry.example.org/app@sha256:f43c6f049f04cbbaeb28f0aad3eea15274a7d0a7899a617d0037aec48d7ab010"
	roomSink     = "consumer-output"
)

// agreed is a contract of one party, the consumer, up to a deployment that
// only has to be launched: an output, a log, one KEK.
type agreed struct {
	*testing.T
	env      *cleanroomtest.Env
	party    *cleanroomtest.Party
	conn     *cleanroomtest.Conn
	ledger   *governance.Client
	spec     *cleanroom.Specification
	template *cleanroom.Template
	deks     *cleanroom.DEKStore
	keys     *cleanroom.Keys
	policy   *skr.ReleasePolicy
}

func (a *agreed) must(errs ...error) {
	a.Helper()
	if err := errors.Join(errs...); err != nil {
		a.Fatal(err)
	}
}

// agree makes it. The parts named in without are left out: "logging", "policy",
// "federation".
func agree(t *testing.T, without ...string) *agreed {
	t.Helper()
	leftOut := strings.Join(without, " ")
	ctx := t.Context()
	a := &agreed{T: t}
	var err error
	a.env, err = cleanroomtest.Start(ctx, nil)
	a.must(err)
	t.Cleanup(func() { a.must(a.env.Close()) })
	a.party, err = a.env.Party(cleanroomtest.Consumer)
	a.must(err)
	keys, err := governance.GenerateMemberKeys(cleanroomtest.Consumer, nil)
	a.must(err)
	member, err := keys.Member()
	a.must(err)
	a.must(a.env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: cleanroomtest.Consumer}))
	a.conn, err = a.env.Connect(cleanroomtest.Consumer, nil)
	a.must(err)
	t.Cleanup(a.conn.Close)
	a.ledger, err = governance.NewClient(a.env.LedgerURL(), member, &governance.ClientOptions{ServiceCertificate: a.env.ServiceCertificate(), DialContext: a.conn.DialContext})
	a.must(err)
	t.Cleanup(a.ledger.Close)
	a.must(a.ledger.Activate(ctx))
	a.pass(governance.OpenService(a.env.ServiceCertificate()))
	a.must(a.ledger.WaitReady(ctx))
	a.pass(governance.SetMemberData(member.ID(), governance.MemberData{Identifier: cleanroomtest.Consumer, TenantID: a.party.TenantID}))

	a.describe()
	text, err := a.spec.Encode()
	a.must(err)
	contract := a.ledger.Contract(roomContract)
	version, err := contract.Create(ctx, string(text))
	a.must(err)
	p, err := contract.Propose(ctx, version)
	a.must(err)
	_, err = contract.Vote(ctx, p.ID, true)
	a.must(err)

	d, err := cleanroom.Generate(a.spec, cleanroom.GenerateOptions{
		ContractID: roomContract, GovernanceEndpoint: a.env.LedgerURL(), ServiceCertificate: a.env.ServiceCertificate(),
		Images: map[string]cleanroom.ImagePolicy{roomImage: {Layers: []string{strings.Repeat("ab", 32)}}},
	})
	a.must(err)
	a.template, err = cleanroom.ParseTemplate(d.Template)
	a.must(err)
	a.pass(governance.SetDeploymentSpec(roomContract, d.Template))
	if !strings.Contains(leftOut, "policy") {
		a.pass(governance.SetCleanRoomPolicy(roomContract, d.GovernancePolicy))
		a.provide()
		trusted := roomContract
		if strings.Contains(leftOut, "federation") {
			trusted = "another"
		}
		a.must(a.env.Federate(a.party.Name, trusted))
	}
	if !strings.Contains(leftOut, "logging") {
		a.pass(governance.EnableLogging(roomContract))
	}
	return a
}

func (a *agreed) describe() {
	a.Helper()
	var err error
	a.deks, err = cleanroom.OpenDEKStore(filepath.Join(a.TempDir(), "deks"))
	a.must(err)
	output, err := a.deks.Create(roomSink)
	a.must(err)
	defer output.Close()
	logs, err := a.deks.Create("logs")
	a.must(err)
	logs.Close()
	a.spec = cleanroom.NewSpecification()
	a.must(
		a.spec.AddIdentity("identity", a.party.IdentityID, a.party.TenantID, a.party.IssuerURL),
		a.spec.SetKEK(cleanroom.KEKStore{Key: "kek", VaultURL: a.party.VaultURL, AttestationURL: attestationURL}),
	)
	a.must(
		a.spec.AddDatasink(cleanroom.DatasinkOptions{Name: roomSink, ContainerURL: a.party.StorageURL + "/" + roomSink, Identity: "identity", DEKDigest: output.Digest()}),
		a.spec.SetLogging(cleanroom.DatasinkOptions{ContainerURL: a.party.StorageURL + "/logs", Identity: "identity"}),
	)
	a.must(a.spec.AddApplication(cleanroom.ApplicationOptions{
		Name: roomApp, Image: roomImage, Command: []string{"/app"}, CPU: 0.5, MemoryInGB: 1,
		Datasinks: cleanroom.Mounts{{Name: roomSink, Path: "/out"}},
	}))
}

// provide publishes the issuer and wraps the keys, as a party does.
func (a *agreed) provide() {
	a.Helper()
	ctx := a.Context()
	a.pass(governance.EnableOIDCIssuer("0123456789abcdef0123456789abcdef"))
	_, err := a.ledger.OIDC().GenerateSigningKey(ctx)
	a.must(err)
	published, err := a.ledger.OIDC().Keys(ctx)
	a.must(err)
	web, err := datasink.New(a.party.WebStorageURL+"/$web", a.conn.Credential(), &datasink.Options{ClientOptions: a.conn.ClientOptions(), Mode: datasink.SSE})
	a.must(err)
	_, err = web.CreateContainer(ctx)
	a.must(err)
	issuer, err := cleanroom.PublishIssuer(ctx, web, a.party.IssuerURL, published)
	a.must(err, a.ledger.OIDC().SetIssuerURL(ctx, issuer))

	accepted, err := a.ledger.Contract(roomContract).CleanRoomPolicy(ctx)
	a.must(err)
	a.policy, err = cleanroom.ReleasePolicyFor(accepted, attestationURL)
	a.must(err)
	names := []string{roomSink, cleanroom.ApplicationTelemetry}
	for _, name := range names {
		_, err = a.sink(name).CreateContainer(ctx)
		a.must(err)
	}
	a.keys, err = cleanroom.NewKeys(a.conn.Credential(), &cleanroom.KeysOptions{ClientOptions: a.conn.ClientOptions()})
	a.must(err)
	_, err = a.keys.WrapDEKs(ctx, a.spec, names, a.deks, a.policy)
	a.must(err)
}

func (a *agreed) point(name string) *cleanroom.AccessPoint {
	a.Helper()
	p, err := a.spec.Sink(name)
	a.must(err)
	return p
}

// sink is the party's own way to its data.
func (a *agreed) sink(name string) *datasink.Sink {
	a.Helper()
	dek, err := a.deks.Load(a.point(name).Datastore())
	a.must(err)
	defer dek.Close()
	s, err := datasink.New(a.point(name).ContainerURL(), a.conn.Credential(), &datasink.Options{ClientOptions: a.conn.ClientOptions(), Mode: datasink.CPK, DEK: dek})
	a.must(err)
	return s
}

func (a *agreed) read(sink, name string) string {
	a.Helper()
	r, err := a.sink(sink).Open(a.Context(), name)
	a.must(err)
	defer r.Close()
	b, err := io.ReadAll(r)
	a.must(err)
	return string(b)
}

// pass proposes and votes: the party is alone.
func (a *agreed) pass(actions ...governance.Action) {
	a.Helper()
	p, err := a.ledger.Propose(a.Context(), actions...)
	a.must(err)
	if p, err = a.ledger.Proposal(p.ID).Vote(a.Context(), true); err != nil || p.State != governance.ProposalAccepted {
		a.Fatalf("proposal: %v, %v", p, err)
	}
}

// inRoom is a guest with the accepted policy, or another one, and what it does.
type inRoom struct {
	opts  *cleanroom.RoomOptions
	wire  *wirelog.Log
	lines *lines // what the room logs

	mu    sync.Mutex
	steps []cleanroom.RoomStep
	paths []string
}

// launch gives the options of a room whose environment is that of the template.
func (a *agreed) launch(policy []byte) *inRoom {
	a.Helper()
	in := &inRoom{lines: &lines{}}
	in.wire = wirelog.New(func(e wirelog.Exchange) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.paths = append(in.paths, e.Method+" "+e.Host+e.Path)
	})
	guest := a.env.Launch(policy)
	conn, err := guest.Connect(&cleanroomtest.ConnOptions{Wrap: in.wire.Wrap})
	a.must(err)
	a.Cleanup(conn.Close)
	env := a.template.Environment(roomApp)
	in.opts = &cleanroom.RoomOptions{
		ClientOptions: conn.ClientOptions(), Attester: guest, ReleaseRoots: conn.Roots(), DialContext: conn.DialContext,
		GovernanceTransport: func(t http.RoundTripper) http.RoundTripper { return in.wire.Wrap(t) },
		Application:         roomApp,
		Getenv: func(name string) string {
			value, _ := env.Lookup(name)
			return value
		},
		Logger: in.lines.logger(),
		Progress: func(s cleanroom.RoomStep) {
			in.mu.Lock()
			defer in.mu.Unlock()
			in.steps = append(in.steps, s)
		},
	}
	return in
}

// count is the number of exchanges whose text holds part.
func (in *inRoom) count(part string) (n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.paths {
		if strings.Contains(p, part) {
			n++
		}
	}
	return n
}

// setenv replaces one variable.
func (in *inRoom) setenv(name, value string) {
	inner := in.opts.Getenv
	in.opts.Getenv = func(n string) string {
		if n == name {
			return value
		}
		return inner(n)
	}
}

func (in *inRoom) enter(ctx context.Context) (*cleanroom.Room, error) {
	return cleanroom.Enter(ctx, in.opts)
}
