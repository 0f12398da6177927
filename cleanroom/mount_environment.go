package cleanroom

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// mountPrefix begins the name of the variable of each mount. Unlike the other
// names of the room's own it stands in the document: the platform adds no
// variable to those of an application.
const mountPrefix = reservedPrefix + "MOUNT_"

// MountVariable is the environment variable of an application that holds the
// path at which a datasource or datasink is mounted for it: that of
// "consumer-output" is in CLEANROOM_MOUNT_CONSUMER_OUTPUT. [Room.Output] and
// [Room.Input] read it; [Specification.AnnounceMounts] writes it.
func MountVariable(name string) string {
	return mountPrefix + strings.TrimPrefix(SinkVariable(name), sinkPrefix)
}

// AnnounceMounts gives an application the variables from which its program finds
// what the platform's sidecars mount for it, one for each of its datasources and
// datasinks. It is for rooms with the platform's sidecars, and belongs before the
// contract is agreed on. A second call brings them up to date.
//
// A mount shows what lies in the container and encrypts by itself, so an access
// point in mode Sealed cannot be mounted.
func (s *Specification) AnnounceMounts(application string) error {
	op := fmt.Sprintf("cleanroom: announce mounts of application %q", shorten(application, 80))
	i := slices.IndexFunc(s.Applications, func(a Application) bool { return a.Name == application })
	if i < 0 {
		return errors.New(op + ": the document has no such application")
	}
	a := &s.Applications[i]
	mounts, err := s.mountsOf(a)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	env := slices.DeleteFunc(slices.Clone(a.EnvironmentVariables), func(v EnvVar) bool { return strings.HasPrefix(v.Name, mountPrefix) })
	for _, m := range mounts {
		if err := s.mountable(m); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		variable := MountVariable(m.Name)
		if _, taken := env.Lookup(variable); taken {
			return fmt.Errorf("%s: two of its mounts would both be in %s; rename one of the access points", op, variable)
		}
		env = append(env, EnvVar{Name: variable, Value: m.Path})
	}
	a.EnvironmentVariables = env
	return nil
}

// mountsOf are an application's mounts in either generation.
func (s *Specification) mountsOf(a *Application) (Mounts, error) {
	if s.Generation == G1 {
		return decodeMounts(a.RuntimeSettings.Mounts)
	}
	return slices.Concat(a.Datasources, a.Datasinks), nil
}

// mountable refuses what a program could not use through a mount.
func (s *Specification) mountable(m Mount) error {
	if err := checkMountPath(m.Path); err != nil {
		return fmt.Errorf("mount of %q: %w", m.Name, err)
	}
	point, err := s.Sink(m.Name)
	if err != nil {
		if point, err = s.Source(m.Name); err != nil {
			return err
		}
	}
	mode, err := point.Mode()
	if err != nil {
		return err
	}
	if mode == "Sealed" {
		return fmt.Errorf("access point %q is in mode Sealed, which no mount knows: set it to CPK or CSE, or reach it without mounts", m.Name)
	}
	return nil
}

// checkMountPath wants a path that means the same to everybody.
func checkMountPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "\x00\n") {
		return fmt.Errorf("%q is not the path of a directory below the root, or has the steps . or .. in it", shorten(p, 80))
	}
	return nil
}
