package launcher

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is an application that runs or has run.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed after code is set
	code  int
}

// startProcess starts one whose output goes to a file as the container engine
// writes it. The file of an earlier run is continued.
func startProcess(cmd *exec.Cmd, file string) (*process, error) {
	log, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	var mu sync.Mutex
	out, errs := &lineWriter{mu: &mu, to: log, stream: "stdout"}, &lineWriter{mu: &mu, to: log, stream: "stderr"}
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, err
	}
	go func() {
		defer close(p.ended)
		defer log.Close()
		_ = cmd.Wait() // the state has the code
		out.flush()
		errs.flush()
		p.code = cmd.ProcessState.ExitCode()
		if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			p.code = 128 + int(s.Signal())
		}
	}()
	return p, nil
}

// state is that of the container engine.
func (p *process) state() (string, int) {
	select {
	case <-p.ended:
		return "exited", p.code
	default:
		return "running", 0
	}
}

// stop kills it, if it runs, and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// lineWriter writes lines as TIME STREAM F TEXT, and the rest of one that has no
// end, or a part of one that is too long, with P.
type lineWriter struct {
	mu     *sync.Mutex
	to     io.Writer
	stream string
	rest   []byte
}

// maxLine is where the engine cuts a line.
const maxLine = 8 << 10

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.line("F", append(l.rest, p[:i]...))
		l.rest, p = nil, p[i+1:]
	}
	l.rest = append(l.rest, p...)
	if len(l.rest) > maxLine {
		l.line("P", l.rest)
		l.rest = nil
	}
	return n, nil
}

// line needs mu. A log that cannot be written does not stop the application.
func (l *lineWriter) line(kind string, text []byte) {
	_, _ = fmt.Fprintf(l.to, "%s %s %s %s\n", time.Now().Format(time.RFC3339Nano), l.stream, kind, text)
}

func (l *lineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.line("P", l.rest)
		l.rest = nil
	}
}
