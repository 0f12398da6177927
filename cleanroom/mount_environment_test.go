package cleanroom

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestAnnounceMounts: the document tells the program where its mounts are.
func TestAnnounceMounts(t *testing.T) {
	s := consumerDocument(t)
	app := s.Applications[0].Name
	for range 2 { // the second time changes nothing
		must(t, s.AnnounceMounts(app))
		var got Environment
		for _, v := range s.Applications[0].EnvironmentVariables {
			if strings.HasPrefix(v.Name, mountPrefix) {
				got = append(got, v)
			}
		}
		if want := (Environment{{"CLEANROOM_MOUNT_CONSUMER_OUTPUT", "/mnt/remote/output"}}); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	}
	must(t, checkEnvironment(s.Applications[0].EnvironmentVariables))
	s.Applications[0].Datasinks[0].Path = "/mnt/elsewhere"
	must(t, s.AnnounceMounts(app))
	if v, _ := s.Applications[0].EnvironmentVariables.Lookup(MountVariable("consumer-output")); v != "/mnt/elsewhere" {
		t.Error(v)
	}
	for name, change := range map[string]func(*Specification){
		"no such application": func(s *Specification) { s.Applications[0].Name = "another" },
		"mode Sealed": func(s *Specification) {
			s.Datasinks[0].Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "Sealed", "KeyType": "KEK"})
		},
		"steps . or ..":  func(s *Specification) { s.Applications[0].Datasinks[0].Path = "/mnt/../etc" },
		"below the root": func(s *Specification) { s.Applications[0].Datasinks[0].Path = "/" },
		"datasource":     func(s *Specification) { s.Applications[0].Datasinks[0].Name = "nothing" },
		"two of its mounts": func(s *Specification) {
			s.Applications[0].Datasinks = append(s.Applications[0].Datasinks, s.Applications[0].Datasinks[0])
		},
	} {
		s := consumerDocument(t)
		change(s)
		if err := s.AnnounceMounts(app); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for value, say := range map[string]string{"/mnt/x": "", "x": "path of a directory"} {
		err := checkEnvironment(Environment{{MountVariable("x"), value}})
		if (err == nil) != (say == "") || err != nil && !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if err := checkEnvironment(Environment{{MountVariable("x"), "/x"}, {MountVariable("x"), "/x"}}); err == nil {
		t.Error("a variable twice")
	}
}

// TestMountedDirectory: what the system says of directories that are no mounts
// of storage, whatever else they are.
func TestMountedDirectory(t *testing.T) {
	if runtime.GOOS != "linux" {
		if err := mountedDirectory(t.TempDir()); !errors.Is(err, errNoMounts) {
			t.Error(err)
		}
		return
	}
	if err := mountedDirectory("/proc"); !errors.Is(err, errNotMounted) {
		t.Error(err)
	}
	if err := mountedDirectory(t.TempDir() + "/missing"); err == nil || errors.Is(err, errNotMounted) {
		t.Error(err)
	}
}
