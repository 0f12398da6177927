package cleanroom

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/trace"
	"github.com/cleanroom-go/sdk/internal/transport"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// What [Room.Close] may take: the event has its time even if the export of the
// log has used up its own.
const (
	exportTimeout = 20 * time.Second
	eventTimeout  = 10 * time.Second
)

var errRoomClosed = errors.New("the room was left")

// RoomOptions are the options of [Enter]. The zero value is what a program in a
// genuine room needs.
type RoomOptions struct {
	// ClientOptions are used for every Azure service. The zero Cloud is the
	// public one, whatever AZURE_AUTHORITY_HOST says.
	azcore.ClientOptions
	// Attester makes evidence, and Sidecars say where the room's sidecars are.
	// With both nil the environment decides, see [Enter]; on the direct way the
	// evidence is then that of the SEV-SNP device of this machine.
	Attester skr.Attester
	Sidecars *RoomSidecars
	// Getenv reads the environment; nil means that of the process, which is
	// then checked: a name that is set twice is refused.
	Getenv func(string) string
	// Application names the source of audit events and the exported log. Zero
	// means the name in the environment, or that of the program's file.
	Application string
	// ReleaseRoots are the roots of the certificates under which vaults sign
	// released keys; nil means those of the system. The SKR sidecar has its own.
	ReleaseRoots *x509.CertPool
	// DialContext and GovernanceTransport reach the governance service, which
	// is verified by its own certificate only: DialContext opens connections
	// and GovernanceTransport is put around the pinned transport. nil means
	// nothing special. With sidecars they do not count.
	DialContext         func(ctx context.Context, network, addr string) (net.Conn, error)
	GovernanceTransport func(http.RoundTripper) http.RoundTripper
	// RequirePins refuses what nobody pinned: a password whose reference lacks
	// the digest of the wrapped value or the version of its KEK
	// ([skr.SecretRef.CheckPinned]), and a sink whose document lacks the digest
	// of its data key ([AccessPoint.DEKDigest]). What is pinned is compared in
	// any case. Without a pin, whoever may write to a party's vault can put a
	// value in that he knows.
	RequirePins bool
	// AnyDirectory takes any directory for a mount, for a room that is played at
	// a desk. In a genuine one, what is written before the storage is mounted is
	// lost.
	AnyDirectory bool
	// Database are the options of database connections; their TracingProvider
	// is that of ClientOptions.
	Database dbsecret.Options
	// Logger gets what is logged with [Room.Log] as it happens; nil means text
	// lines on stderr. Under a policy of [Generate] nobody sees stderr: it
	// gives the host no access to the output of a container. What shall be
	// seen is the exported log, an audit event or a sink.
	Logger *slog.Logger
	// Progress, if set, is told about each step as it is done, never two at a
	// time. It must not call the room.
	Progress func(RoomStep)
}

// RoomStep is one step of the room. Its text names parties, hosts and objects,
// never a secret.
type RoomStep struct {
	Kind StepKind
	// Text is one line.
	Text string
}

// StepKind says what a step was.
type StepKind string

// The steps of a room.
const (
	StepSecret      StepKind = "secret"      // read from the governance service
	StepUnwrap      StepKind = "unwrap"      // a data key or password
	StepRelease     StepKind = "release"     // of a KEK by its vault
	StepAzureToken  StepKind = "azure-token" // of one of the parties' identities
	StepDatabase    StepKind = "database"    // connected
	StepOutput      StepKind = "output"      // a sink is ready
	StepConsent     StepKind = "consent"     // to execution or logging
	StepToken       StepKind = "token"       // of the governance service
	StepLogs        StepKind = "logs"        // exported
	StepEvent       StepKind = "event"       // audit event written
	StepAttestation StepKind = "attestation" // report made
)

// Room is a program's stay in a clean room: the way to the secrets, data and
// sinks that the parties agreed on. It may be used by several goroutines.
type Room struct {
	application string
	contractID  string
	getenv      func(string) string
	azure       azcore.ClientOptions
	database    dbsecret.Options
	requirePins bool
	progress    func(RoomStep)
	tracer      trace.Tracer

	governance      governance.Room
	closeGovernance func()    // nil until there is one
	sidecars        *sidecars // nil on the direct way
	sidecarWait     time.Duration
	releaser        *skr.Releaser
	unwrapper       skr.Unwrapper
	logger          *slog.Logger
	stderr          *slog.Logger
	lines           *logBuffer
	// base is the context of Enter without its end: leaving the room must
	// still be reported when the program is interrupted.
	base context.Context

	stepping sync.Mutex // held while progress runs

	exportTimeout time.Duration
	closing       sync.Once
	closeErr      error

	mu          sync.Mutex
	closed      bool // Close has begun
	emptied     bool // keys are gone, and none may come
	credentials map[roomIdentity]azcore.TokenCredential
	outputs     map[string]*datasink.Sink
	inputs      map[string]*os.Root

	mounted              func(directory string) error // nil if something is
	mountWait, mountPoll time.Duration
}

// Enter begins the program's stay: it attests the room to the governance
// service, wants every member's consent to the execution and writes an audit
// event. Without consent the error is a [*DeniedError], and nothing was
// unwrapped. The caller must close the room.
//
// There are two ways to the services. The direct one is from the SEV-SNP device
// of this machine to the service named by [GovernanceVariable]; a room made by
// [Generate] has no other. The other one is through the platform's sidecars for
// governance, secure key release and identities; the vaults are read from here,
// and the secrets sidecar is only used if one of the other two does not listen.
// Enter takes
//
//  1. the way of RoomOptions.Sidecars or RoomOptions.Attester, if one is given;
//  2. the sidecars, if the environment has one of the variables with their
//     ports, such as [SKRPortVariable];
//  3. the direct way, if it has [GovernanceVariable];
//  4. the sidecars at the platform's ports, if it has [ContractVariable].
//
// It never tries one way because the other failed. It waits up to five minutes
// for the governance sidecar to listen.
//
// The environment is part of what the parties agreed on, and the policy of
// [Generate] admits no other. Enter checks what a library can: that no
// variable is set twice, and that none changes where identities are proved. Too
// late for it are those that the loader and the run time read before the
// program begins, LD_PRELOAD and GODEBUG among them; SSL_CERT_FILE,
// SSL_CERT_DIR and HTTPS_PROXY keep their meaning, for parties may agree on
// them.
func Enter(ctx context.Context, opts *RoomOptions) (_ *Room, err error) {
	if opts == nil {
		opts = &RoomOptions{}
	}
	ctx, end := trace.New(opts.TracingProvider, "cleanroom").Start(ctx, "Enter")
	defer end(&err)
	r, err := enter(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := r.event(ctx, map[string]any{"source": r.application, "message": "starting execution of " + r.application}); err != nil {
		r.release()
		return nil, fmt.Errorf("cleanroom: enter room: %w", err)
	}
	return r, nil
}

// enter does all but the event.
func enter(ctx context.Context, opts *RoomOptions) (_ *Room, err error) {
	const op = "cleanroom: enter room"
	r := &Room{
		getenv:      opts.Getenv,
		azure:       transport.Harden(opts.ClientOptions, nil),
		database:    traced(opts.Database, opts.TracingProvider),
		requirePins: opts.RequirePins,
		progress:    opts.Progress,
		tracer:      trace.New(opts.TracingProvider, "cleanroom"),
		stderr:      opts.Logger,
		lines:       &logBuffer{limit: maxLog},
		base:        context.WithoutCancel(ctx),
		credentials: map[roomIdentity]azcore.TokenCredential{},
		outputs:     map[string]*datasink.Sink{},
		inputs:      map[string]*os.Root{},
		mounted:     mountedDirectory,
		mountWait:   maxMountWait,
		mountPoll:   time.Second,

		exportTimeout: exportTimeout,
		sidecarWait:   maxSidecarWait,
	}
	if opts.AnyDirectory {
		r.mounted = anyDirectory
	}
	if r.getenv == nil {
		r.getenv = os.Getenv
	}
	if r.stderr == nil {
		r.stderr = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	r.logger = slog.New(newLogHandler(r.lines, r.stderr.Handler()))
	if opts.Getenv == nil {
		if err := checkOwnEnvironment(); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	if r.azure.Cloud.ActiveDirectoryAuthorityHost == "" && len(r.azure.Cloud.Services) == 0 {
		// Otherwise AZURE_AUTHORITY_HOST would choose who gets the assertions.
		r.azure.Cloud = cloud.AzurePublic
	}
	where, err := opts.way(r.getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	env, err := where.environment(r.getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	r.contractID = env.ContractID
	if r.application, err = roomApplication(opts.Application, env.Application); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer func() {
		if err != nil {
			r.release()
		}
	}()
	attester := opts.Attester
	if where == nil {
		if attester == nil {
			if attester, err = snp.OpenDevice(nil); err != nil {
				return nil, fmt.Errorf("%s: this program is in no confidential container group, or cannot reach its device: %w", op, err)
			}
		}
		r.releaser, err = skr.NewReleaser(&steppingAttester{r, attester, "the attestation service"}, &skr.ReleaserOptions{
			ClientOptions: r.azure, Roots: opts.ReleaseRoots, OnRelease: r.released,
		})
	} else {
		err = r.openSidecars(where)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if r.unwrapper, err = skr.NewSecretUnwrapper(r.releaser, r.credential, &skr.SecretUnwrapperOptions{ClientOptions: r.azure}); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if where != nil {
		r.unwrapper = &fallbackUnwrapper{room: r, first: r.unwrapper, secrets: r.sidecars.secrets}
		err = r.joinSidecar(ctx, env, opts)
	} else {
		err = r.join(ctx, env, &steppingAttester{r, attester, "the governance service"}, opts)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// traced has the room's provider for the connections as well.
func traced(o dbsecret.Options, p tracing.Provider) dbsecret.Options {
	o.TracingProvider = p
	return o
}

// roomApplication is the first name that was given, else that of the program.
func roomApplication(names ...string) (string, error) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := checkName(name); err != nil {
			return "", fmt.Errorf("name of the application %q: %w", shorten(name, 80), err)
		}
		return name, nil
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if checkName(name) != nil {
		name = "application"
	}
	return name, nil
}

// OpenDB opens the database that the parties' secret describes: the document
// comes from the governance service, the password in it is unwrapped, and the
// connection is made once, so that a wrong name, certificate or password shows
// here. secretID is what the publisher's [governance.ContractClient.PutSecret]
// returned. The caller must close the pool, which forgets the password.
func (r *Room) OpenDB(ctx context.Context, secretID string) (_ *sql.DB, err error) {
	ctx, end := r.tracer.Start(ctx, "OpenDB")
	defer end(&err)
	op := fmt.Sprintf("cleanroom: open database of secret %q", shorten(secretID, 200))
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if secretID == "" {
		return nil, fmt.Errorf("%s: no id; the deployment gives it to the application in a variable that the parties chose", op)
	}
	connector, err := dbsecret.Resolve(ctx, steppingSecrets{r}, steppingUnwrapper{r}, secretID, &r.database)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	db := sql.OpenDB(connector)
	if err := db.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", op, errors.Join(err, db.Close()))
	}
	d := connector.Document()
	r.step(StepDatabase, "connected to database %s at %s, TLS %s", d.Name, net.JoinHostPort(d.Endpoint, strconv.Itoa(d.Port)), d.SSLMode)
	return db, nil
}

// Report writes an audit event, which every member can read: what the program
// did, never what it saw. event is a value whose JSON is an object, or a text,
// which becomes the message of one.
func (r *Room) Report(ctx context.Context, event any) (err error) {
	ctx, end := r.tracer.Start(ctx, "Report")
	defer end(&err)
	if err := r.open(); err != nil {
		return fmt.Errorf("cleanroom: report event: %w", err)
	}
	if message, ok := event.(string); ok {
		event = map[string]any{"source": r.application, "message": message}
	}
	if err := r.event(ctx, event); err != nil {
		return fmt.Errorf("cleanroom: report event: %w", err)
	}
	return nil
}

// Log is the application's own log. It goes to the room's logger as it happens
// and is kept in memory, from level info up to 4 MiB; [Room.Close] exports it
// as APPLICATION.log if the parties enabled logging.
func (r *Room) Log() *slog.Logger { return r.logger }

// ContractID is the contract under which the room runs.
func (r *Room) ContractID() string { return r.contractID }

// String names the room; no form of printing shows more.
func (r *Room) String() string {
	return fmt.Sprintf("cleanroom.Room(%s of contract %s)", r.application, r.contractID)
}

// GoString is String.
func (r *Room) GoString() string { return r.String() }

// Format prints String for every verb.
func (r *Room) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue is String.
func (r *Room) LogValue() slog.Value { return slog.StringValue(r.String()) }

func (r *Room) event(ctx context.Context, event any) error {
	if err := r.governance.PutEvent(ctx, event, nil); err != nil {
		return err
	}
	r.step(StepEvent, "audit event written%s", messageOf(event))
	return nil
}

// messageOf is the message of an event of the usual form, for a step.
func messageOf(event any) string {
	fields, _ := event.(map[string]any)
	if message, ok := fields["message"].(string); ok {
		return ": " + shorten(message, 80)
	}
	return ""
}

func (r *Room) step(kind StepKind, format string, args ...any) {
	if r.progress == nil {
		return
	}
	r.stepping.Lock()
	defer r.stepping.Unlock()
	r.progress(RoomStep{kind, fmt.Sprintf(format, args...)})
}

// open is an error after Close.
func (r *Room) open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errRoomClosed
	}
	return nil
}
