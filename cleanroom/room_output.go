package cleanroom

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

// Output is one of the sinks that the parties gave to this application. Its
// data key is unwrapped, so the first call costs the release of its KEK. If the
// document pins the key and the vault holds another, that is a [*DeniedError]
// by the check sink.dek-digest;
// further calls return the same sink. [Room.Close] closes it.
//
// A sink of which the environment has no [SinkVariable], but a [MountVariable],
// is mounted by the platform's sidecars: no key is unwrapped here, the mount
// encrypts, and what [datasink.Mount] says holds. It is waited for, for at most
// six minutes; a directory in which nothing is mounted is no sink.
func (r *Room) Output(ctx context.Context, name string) (_ *datasink.Sink, err error) {
	ctx, end := r.tracer.Start(ctx, "Output")
	defer end(&err)
	op := fmt.Sprintf("cleanroom: output %q", shorten(name, 80))
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	sink, err := r.output(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return sink, nil
}

// output also serves Close.
func (r *Room) output(ctx context.Context, name string) (*datasink.Sink, error) {
	r.mu.Lock()
	sink := r.outputs[name]
	r.mu.Unlock()
	if sink != nil {
		return sink, nil
	}
	if directory, err := r.mountPath(name); err != nil {
		return nil, err
	} else if directory != "" && r.getenv(SinkVariable(name)) == "" {
		return r.mountedOutput(ctx, name, directory)
	}
	env, err := r.sinkEnvironment(name)
	if err != nil {
		return nil, err
	}
	cred, err := r.credential(env.TenantID, env.ClientID)
	if err != nil {
		return nil, err
	}
	opts := &datasink.Options{ClientOptions: r.azure, Mode: datasink.Mode(env.Mode), Contract: r.contractID, Datasink: env.Name}
	if env.DEK != (skr.SecretRef{}) {
		if opts.DEK, err = r.dek(ctx, env); err != nil {
			return nil, err
		}
		defer opts.DEK.Close() // the sink has its own copy
	}
	if sink, err = datasink.New(env.ContainerURL, cred, opts); err != nil {
		return nil, err
	}
	if sink, err = r.keep(name, sink); err == nil {
		r.step(StepOutput, "sink %s is ready, mode %s", name, env.Mode)
	}
	return sink, err
}

// keep stores a new sink, unless the room was left or another caller was first
// meanwhile: then its key is cleared.
func (r *Room) keep(name string, sink *datasink.Sink) (*datasink.Sink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.outputs[name]
	if first == nil && !r.emptied {
		r.outputs[name] = sink
		return sink, nil
	}
	if err := sink.Close(); err != nil {
		return nil, err
	}
	if first == nil {
		return nil, errRoomClosed
	}
	return first, nil
}

// sinkEnvironment reads the variable of a sink and checks that it is about it.
func (r *Room) sinkEnvironment(name string) (SinkEnvironment, error) {
	if err := checkName(name); err != nil {
		return SinkEnvironment{}, err
	}
	variable := SinkVariable(name)
	value := r.getenv(variable)
	if value == "" {
		return SinkEnvironment{}, fmt.Errorf("%s is not set: the accepted deployment gives this application no such sink", variable)
	}
	env, err := ParseSinkEnvironment(value)
	if err != nil {
		return SinkEnvironment{}, err
	}
	if env.Name != name {
		return SinkEnvironment{}, fmt.Errorf("%s describes the sink %q", variable, env.Name)
	}
	return env, nil
}

func (r *Room) dek(ctx context.Context, env SinkEnvironment) (*datasink.DEK, error) {
	if r.requirePins {
		if err := checkDEKPinned(env); err != nil {
			return nil, err
		}
	}
	raw, err := r.unwrap(ctx, env.DEK, "data key of sink "+env.Name)
	if err != nil {
		return nil, err
	}
	defer redact.Clear(raw)
	dek, err := datasink.ParseDEK(raw)
	if err != nil {
		return nil, fmt.Errorf("%s holds no data key: %w", env.DEK, err)
	}
	if err := checkDEK(env, dek); err != nil {
		dek.Close()
		return nil, err
	}
	return dek, nil
}
