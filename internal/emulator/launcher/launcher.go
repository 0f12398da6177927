// Package launcher emulates code-launcher of release 8.0.0 with the policy that
// stands before it on port 8200: it runs the applications of a room as processes
// of this machine, and answers the control API.
//
// As the genuine one it takes no body and no other path, asks for the members'
// consent at each start and export, waits for the markers of an application's
// volumes, writes audit events, knows an application only once it was started,
// and starts one again that was. There are no containers: a process sees this
// machine.
package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// Scopes of consent.
const (
	Execution = "execution"
	Logging   = "logging"
	Telemetry = "telemetry"
)

// Application is one of the room.
type Application struct {
	Name string
	// Auto starts it with the room.
	Auto bool
	// Command makes a process that is not started yet; its outputs are the
	// launcher's.
	Command func() *exec.Cmd
	// Volumes are the access points that it mounts.
	Volumes []string
}

// Options are what a launcher is made of.
type Options struct {
	Applications []Application
	// Consent is nil if every member consents to the scope.
	Consent func(ctx context.Context, scope string) error
	// Event writes an audit event.
	Event func(ctx context.Context, message string) error
	// Directory has what the containers of a room share: telemetry, remote with
	// a directory for each access point, and volumestatus.
	Directory string
	// VolumeTries and VolumePause are how often and after what time a marker
	// is looked for; the genuine ones are 12 and 30 s.
	VolumeTries int
	VolumePause time.Duration
}

// Launcher is an [http.Handler]; Close it.
type Launcher struct {
	opts Options
	mux  *http.ServeMux

	starting sync.Mutex
	mu       sync.Mutex
	started  map[string]*process
}

// New makes one and starts what starts by itself; what fails of that is an event
// and nothing else, as with the genuine one.
func New(ctx context.Context, opts Options) *Launcher {
	l := &Launcher{opts: opts, mux: http.NewServeMux(), started: map[string]*process{}}
	l.mux.HandleFunc("POST /gov/{app}/start", l.start)
	l.mux.HandleFunc("GET /gov/{app}/status", l.status)
	l.mux.HandleFunc("POST /gov/exportLogs", l.export(Logging, "application", "application-telemetry", "Application telemetry data exported successfully."))
	l.mux.HandleFunc("POST /gov/exportTelemetry", l.export(Telemetry, "infrastructure", "infrastructure-telemetry", "Infrastructure telemetry data exported successfully."))
	for _, a := range opts.Applications {
		if !a.Auto {
			continue
		}
		err := opts.Consent(ctx, Execution)
		if err == nil {
			err = l.run(ctx, a)
		}
		if err != nil {
			_ = opts.Event(ctx, "Failed to start "+a.Name+": "+err.Error()) // the launcher goes on
		}
	}
	return l
}

// allowed is the policy before the launcher, as it is published.
var allowed = map[string]*regexp.Regexp{
	http.MethodPost: regexp.MustCompile(`^/gov/(exportLogs$|exportTelemetry$|.+/start$)`),
	http.MethodGet:  regexp.MustCompile(`^/gov/.+/status$`),
}

// ServeHTTP implements http.Handler.
func (l *Launcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pattern := allowed[r.Method]
	switch {
	case pattern == nil || !pattern.MatchString(r.URL.Path):
		answer(w, http.StatusForbidden, refusal{"RequestNotAllowed", "Failed ccr policy check: Requested API is not allowed"})
	case r.ContentLength != 0:
		answer(w, http.StatusForbidden, refusal{"RequestBodyNotAllowed", "Failed ccr policy check: Request body is not allowed"})
	default:
		l.mux.ServeHTTP(w, r)
	}
}

type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type failure struct {
	Message string `json:"message"`
	Error   string `json:"error"`
	Details string `json:"details"`
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone has nobody to be told
}

func notFound(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, map[string]string{"detail": "Application not found"})
}

// consent answers itself if there is none.
func (l *Launcher) consent(w http.ResponseWriter, r *http.Request, scope string) bool {
	err := l.opts.Consent(r.Context(), scope)
	if err != nil {
		answer(w, http.StatusForbidden, refusal{"ConsentCheckFailed", err.Error()})
	}
	return err == nil
}

func (l *Launcher) start(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("app")
	for _, a := range l.opts.Applications {
		if a.Name != name {
			continue
		}
		if !l.consent(w, r, Execution) {
			return
		}
		if err := l.run(r.Context(), a); err != nil {
			answer(w, http.StatusInternalServerError, failure{"Failed to start application.", fmt.Sprintf("%T", err), err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]string{"message": "Application started successfully."})
		return
	}
	notFound(w)
}

func (l *Launcher) status(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	p := l.started[r.PathValue("app")]
	l.mu.Unlock()
	if p == nil {
		notFound(w)
		return
	}
	if err := l.opts.Event(r.Context(), "Status of "+r.PathValue("app")+" was asked for"); err != nil {
		answer(w, http.StatusInternalServerError, failure{"Failed to get the status.", "EventError", err.Error()})
		return
	}
	state, code := p.state()
	answer(w, http.StatusOK, map[string]any{"status": state, "exit_code": code})
}

// run starts an application anew.
func (l *Launcher) run(ctx context.Context, a Application) error {
	l.starting.Lock()
	defer l.starting.Unlock()
	for _, v := range a.Volumes {
		if err := l.volume(ctx, v); err != nil {
			return err
		}
	}
	l.mu.Lock()
	before := l.started[a.Name]
	l.mu.Unlock()
	if before == nil {
		if err := l.opts.Event(ctx, "Creating container for "+a.Name); err != nil {
			return err
		}
	} else {
		before.stop()
	}
	if err := l.opts.Event(ctx, "Starting execution of "+a.Name+" container"); err != nil {
		return err
	}
	directory := filepath.Join(l.opts.Directory, "telemetry", "application")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	p, err := startProcess(a.Command(), filepath.Join(directory, a.Name+".log"))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started[a.Name] = p
	return nil
}

// volume waits for the marker of a mount.
func (l *Launcher) volume(ctx context.Context, name string) error {
	marker := filepath.Join(l.opts.Directory, "volumestatus", name+".volume.")
	for try := 0; ; try++ {
		if b, err := os.ReadFile(marker + "error"); err == nil {
			return fmt.Errorf("volume %s failed: %s", name, b)
		}
		b, err := os.ReadFile(marker + "ready")
		var doc struct {
			MountPath string `json:"mount_path"`
		}
		if err == nil && json.Unmarshal(b, &doc) == nil && doc.MountPath != "" {
			return nil
		}
		if try+1 >= l.opts.VolumeTries {
			return fmt.Errorf("volume %s is not ready", name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.opts.VolumePause):
		}
	}
}

// export copies a directory of telemetry into a mount.
func (l *Launcher) export(scope, from, to, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !l.consent(w, r, scope) {
			return
		}
		if err := copyTree(filepath.Join(l.opts.Directory, "telemetry", from), filepath.Join(l.opts.Directory, "remote", to)); err != nil {
			answer(w, http.StatusInternalServerError, failure{"Failed to export.", fmt.Sprintf("%T", err), err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]string{"message": message})
	}
}

// copyTree overwrites, and makes no mount that is not there.
func copyTree(from, to string) error {
	if _, err := os.Stat(to); err != nil {
		return err
	}
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o600)
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing has been written yet
	}
	return err
}

// Close ends the processes.
func (l *Launcher) Close() {
	l.starting.Lock()
	defer l.starting.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.started {
		p.stop()
	}
}
