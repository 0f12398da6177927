package cleanroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/cleanroom"
)

// groupTemplate is a container group with some containers.
func groupTemplate(t *testing.T, containers ...string) json.RawMessage {
	t.Helper()
	list := []any{}
	for _, name := range containers {
		list = append(list, map[string]any{"name": name, "properties": map[string]any{"image": "registry.example.org/app"}})
	}
	b, err := json.Marshal(map[string]any{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": []any{map[string]any{
			"type": "Microsoft.ContainerInstance/containerGroups", "apiVersion": "2023-05-01", "name": "room", "location": "westeurope",
			"properties": map[string]any{"osType": "Linux", "containers": list, "ipAddress": map[string]any{"type": "Public", "ports": []any{}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestProvisionerRoom: a deployed room is looked at, waited for and deleted.
func TestProvisionerRoom(t *testing.T) {
	d := newDeployer(t)
	ctx := t.Context()
	deployed := func(containers ...string) {
		t.Helper()
		_, err := d.deploy(groupTemplate(t, containers...), nil)
		d.must(err)
	}
	end := func(container string, code int, detail string) {
		t.Helper()
		d.must(d.env.EndContainer(d.party.Name, "room", container, code, detail))
	}
	wait := func(application string, seen func(*cleanroom.RoomState)) error {
		return d.WaitRoom(ctx, d.party.ResourceGroup, "room", &cleanroom.WaitRoomOptions{Application: application, Progress: seen})
	}
	remove := func() {
		t.Helper()
		d.must(d.DeleteRoom(ctx, d.party.ResourceGroup, "room"))
	}

	t.Run("64 wait-for-cleanroom", func(t *testing.T) {
		deployed("demo-code-launcher", "identity-sidecar")
		var states []string
		d.must(wait("", func(s *cleanroom.RoomState) {
			states = append(states, s.State+" "+s.Containers[0].State)
			if len(states) == 3 {
				end("demo-code-launcher", 0, "Completed")
			}
			if s.ControlEndpoint() != "https://203.0.113.7:8200" || s.Name != "room" {
				t.Errorf("%+v", s)
			}
		}))
		if got := strings.Join(states, ", "); got != "Pending Waiting, Running Running, Running Running, Running Terminated" {
			t.Error(got)
		}
		remove()
	})
	for _, c := range []struct {
		name, application, container string
		code                         int
		detail, say                  string
	}{
		{"exit code", "demo", "demo-code-launcher", 3, "Completed", ""},
		{"a container that cannot start", "demo", "identity-sidecar", 0, "CrashLoopError", "identity-sidecar is Waiting"},
		{"the group failed", "demo", "", 0, "", "look at its events"},
		{"an application of another name", "another", "identity-sidecar", 0, "", "has demo-code-launcher, identity-sidecar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			deployed("demo-code-launcher", "identity-sidecar")
			end(c.container, c.code, c.detail)
			err := wait(c.application, nil)
			var exit *cleanroom.ExitError
			if c.say == "" && (!errors.As(err, &exit) || exit.Code != c.code || exit.Application != "demo") || err == nil || !strings.Contains(err.Error(), c.say) {
				t.Error(err)
			}
			remove()
		})
	}
	t.Run("wrinkle 33 the room goes on after its end", func(t *testing.T) {
		deployed("app")
		end("app", 0, "Completed")
		d.must(wait("app", nil))
		before, err := d.Room(ctx, d.party.ResourceGroup, "room")
		d.must(err)
		if before.State != "Running" {
			t.Errorf("%+v", before)
		}
		remove()
		remove() // again
		if list, err := d.env.Deployed(d.party.Name); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := d.Room(ctx, d.party.ResourceGroup, "room"); !errors.Is(err, cleanroom.ErrNoRoom) {
			t.Error(err)
		}
		if err := wait("app", nil); !errors.Is(err, cleanroom.ErrNoRoom) {
			t.Error(err)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		err := d.DeleteRoom(ctx, "another-group", "room") // a misspelt group must not look like success
		var service *azcore.ResponseError
		if !errors.As(err, &service) || service.StatusCode != http.StatusNotFound || errors.Is(err, cleanroom.ErrNoRoom) || !strings.Contains(err.Error(), "ResourceGroupNotFound") {
			t.Error(err)
		}
		for _, name := range []string{"", "a/b", "../x"} {
			if err := d.DeleteRoom(ctx, d.party.ResourceGroup, name); err == nil || !strings.Contains(err.Error(), "required") {
				t.Errorf("%q: %v", name, err)
			}
		}
		deployed("app")
		canceled, cancel := context.WithCancel(ctx)
		if err := d.WaitRoom(canceled, d.party.ResourceGroup, "room", &cleanroom.WaitRoomOptions{Progress: func(*cleanroom.RoomState) { cancel() }}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		remove()
	})
}
