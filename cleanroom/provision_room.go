package cleanroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/check"
)

const containerGroupsVersion = "2023-05-01"

// ErrNoRoom is wrapped by errors about a container group that does not exist.
var ErrNoRoom = errors.New("there is no such container group")

// RoomState is what Azure says about a room's container group.
type RoomState struct {
	// Name is that of the group.
	Name string
	// State is that of the group, for instance Pending, Running, Stopped or
	// Failed; "" while Azure does not say it.
	State string
	// IP and FQDN are its public address, zero without one.
	IP, FQDN string
	// Containers are in the template's order.
	Containers []ContainerState
}

// ContainerState is the state of a container.
type ContainerState struct {
	Name string
	// State is Waiting, Running or Terminated; Detail is the platform's word
	// for why.
	State, Detail string
	// ExitCode counts once State is Terminated.
	ExitCode int
}

// ControlEndpoint is the address for [NewControl]; "" for a room without one.
func (s *RoomState) ControlEndpoint() string {
	if s.IP == "" {
		return ""
	}
	return "https://" + net.JoinHostPort(s.IP, strconv.Itoa(ControlPort))
}

// roomAnswer is what is read of a container group, api-version 2023-05-01.
type roomAnswer struct {
	Name       string `json:"name"`
	Properties struct {
		InstanceView struct {
			State string `json:"state"`
		} `json:"instanceView"`
		IPAddress struct {
			IP   string `json:"ip"`
			FQDN string `json:"fqdn"`
		} `json:"ipAddress"`
		Containers []struct {
			Name       string `json:"name"`
			Properties struct {
				InstanceView struct {
					CurrentState struct {
						State        string `json:"state"`
						ExitCode     int    `json:"exitCode"`
						DetailStatus string `json:"detailStatus"`
					} `json:"currentState"`
				} `json:"instanceView"`
			} `json:"properties"`
		} `json:"containers"`
	} `json:"properties"`
}

// Room reads the state of a room's container group, which has the name of its
// deployment. Without one the error wraps [ErrNoRoom].
func (p *Provisioner) Room(ctx context.Context, resourceGroup, name string) (_ *RoomState, err error) {
	ctx, end := p.tracer.Start(ctx, "Room")
	defer end(&err)
	op := "cleanroom: read state of room " + shown(name)
	state, err := p.room(ctx, resourceGroup, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return state, nil
}

func (p *Provisioner) room(ctx context.Context, resourceGroup, name string) (*RoomState, error) {
	resp, err := p.containerGroup(ctx, http.MethodGet, resourceGroup, name)
	if err != nil {
		return nil, err
	}
	var doc roomAnswer
	if err := runtime.UnmarshalAsJSON(resp, &doc); err != nil {
		return nil, err
	}
	s := &RoomState{Name: doc.Name, State: doc.Properties.InstanceView.State, IP: doc.Properties.IPAddress.IP, FQDN: doc.Properties.IPAddress.FQDN}
	for _, c := range doc.Properties.Containers {
		current := c.Properties.InstanceView.CurrentState
		s.Containers = append(s.Containers, ContainerState{c.Name, current.State, current.DetailStatus, current.ExitCode})
	}
	return s, nil
}

// WaitRoomOptions are the options of [Provisioner.WaitRoom]; nil works.
type WaitRoomOptions struct {
	// Application is the one whose end is waited for; zero means the only one.
	Application string
	// Progress, if set, is told what each look has seen.
	Progress func(*RoomState)
}

// WaitRoom returns when the application of a room has ended, as Azure sees it:
// nil for the exit code 0, otherwise an [*ExitError]. It is for rooms of
// [Generate] and of the second generation of the tools, whose container ends
// with the application, or with the application's launcher. The group does not
// end by itself: call [Provisioner.DeleteRoom]. Rooms of the current tools end
// no container; for them there is [Control.Wait].
//
// A group or a container that failed is an error, and so is a group that does
// not exist, which wraps [ErrNoRoom]. The time is bounded by ctx alone.
func (p *Provisioner) WaitRoom(ctx context.Context, resourceGroup, name string, opts *WaitRoomOptions) (err error) {
	ctx, end := p.tracer.Start(ctx, "WaitRoom")
	defer end(&err)
	if opts == nil {
		opts = &WaitRoomOptions{}
	}
	op := "cleanroom: wait for room " + shown(name)
	for {
		state, err := p.room(ctx, resourceGroup, name)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if opts.Progress != nil {
			opts.Progress(state)
		}
		ended, err := state.ended(opts.Application)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if ended {
			return nil
		}
		if err := pause(ctx, p.poll); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
}

// ended says whether the application has ended well; any other end is an error.
func (s *RoomState) ended(application string) (bool, error) {
	if len(s.Containers) == 0 && s.State != "Failed" {
		return false, nil // Azure does not say yet
	}
	c, err := s.application(application)
	switch {
	case err == nil && c.State == "Terminated" && c.ExitCode == 0:
		return true, nil
	case err == nil && c.State == "Terminated":
		return false, &ExitError{strings.TrimSuffix(c.Name, launcherSuffix), c.ExitCode}
	case s.State == "Failed":
		return false, errors.New("the container group failed; look at its events in Azure: often the policy does not fit the host, or an image cannot be pulled")
	case err != nil:
		return false, err
	}
	for _, other := range s.Containers {
		if strings.Contains(other.Detail, "Error") {
			return false, fmt.Errorf("container %s is %s with %s; look at its events in Azure", shown(other.Name), shown(other.State), shown(other.Detail))
		}
	}
	return false, nil
}

// launcherSuffix ends the name of an application's container in the second
// generation.
const launcherSuffix = "-code-launcher"

// application is the container of an application.
func (s *RoomState) application(name string) (ContainerState, error) {
	var found []ContainerState
	for _, c := range s.Containers {
		if name == "" && (len(s.Containers) == 1 || strings.Contains(c.Name, "code-launcher")) || name != "" && (c.Name == name || c.Name == name+launcherSuffix) {
			found = append(found, c)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	names := make([]string, 0, len(s.Containers))
	for _, c := range s.Containers {
		names = append(names, shown(c.Name))
	}
	return ContainerState{}, fmt.Errorf("%d of its containers are of the application %s; it has %s: name one in WaitRoomOptions.Application", len(found), shown(name), strings.Join(names, ", "))
}

// DeleteRoom deletes a room's container group and waits until it is gone. A
// room that is gone already is no error, so that it can always be deferred: a
// group that nobody deletes goes on costing money, and holding keys. What the
// room has not exported is lost.
func (p *Provisioner) DeleteRoom(ctx context.Context, resourceGroup, name string) (err error) {
	ctx, end := p.tracer.Start(ctx, "DeleteRoom")
	defer end(&err)
	op := "cleanroom: delete room " + shown(name)
	_, err = p.containerGroup(ctx, http.MethodDelete, resourceGroup, name)
	for err == nil {
		if _, err = p.room(ctx, resourceGroup, name); err == nil {
			err = pause(ctx, p.poll)
		}
	}
	if errors.Is(err, ErrNoRoom) {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// containerGroup asks for one, whose body is the caller's.
func (p *Provisioner) containerGroup(ctx context.Context, method, resourceGroup, name string) (*http.Response, error) {
	if !deploymentName.MatchString(name) || resourceGroup == "" {
		return nil, errors.New("a resource group and the name of the container group, which is that of its deployment, are required")
	}
	req, err := runtime.NewRequest(ctx, method, runtime.JoinPaths(p.client.Endpoint(), "subscriptions", p.subscription, "resourcegroups", url.PathEscape(resourceGroup),
		"providers/Microsoft.ContainerInstance/containerGroups", url.PathEscape(name))+"?api-version="+containerGroupsVersion)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Pipeline().Do(req)
	if err != nil {
		return nil, err
	}
	switch {
	case method == http.MethodGet && resp.StatusCode == http.StatusOK:
		return resp, nil
	case method == http.MethodDelete && runtime.HasStatusCode(resp, http.StatusOK, http.StatusAccepted):
		runtime.Drain(resp)
		return resp, nil
	case method == http.MethodDelete && resp.StatusCode == http.StatusNoContent:
		runtime.Drain(resp)
		return nil, ErrNoRoom
	}
	return nil, newRoomRefusal(resp)
}

// roomRefusal is an answer of Azure that says no.
type roomRefusal struct {
	DeployDetail
	err error
}

func newRoomRefusal(resp *http.Response) error {
	e := &roomRefusal{DeployDetail{Code: http.StatusText(resp.StatusCode), Message: "no reason is given"}, runtime.NewResponseError(resp)}
	var doc struct {
		Error *armError `json:"error"`
	}
	if body, err := runtime.Payload(resp); err == nil && json.Unmarshal(body, &doc) == nil && doc.Error != nil {
		e.DeployDetail = doc.Error.flatten(0)[0]
	}
	if resp.StatusCode == http.StatusNotFound && e.Code == "ResourceNotFound" {
		e.err = errors.Join(ErrNoRoom, e.err)
	}
	return e
}

func (e *roomRefusal) Error() string {
	return "Azure refuses it: " + check.Printable(shorten(e.Code, 80)+": "+shorten(e.Message, 300)) + remedyOf(e.Code)
}

func (e *roomRefusal) Unwrap() error { return e.err }
