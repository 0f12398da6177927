package arm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Audience is that of its tokens.
const Audience = "https://management.core.windows.net/"

// maxTemplate is Azure's own limit, 4 MB.
const maxTemplate = 4 << 20

// Options are what the emulator needs from its surroundings.
type Options struct {
	// Verify checks an access token and says whose it is.
	Verify func(token, audience string) (tenantID, clientID string, err error)
	// Tenants has the tenant of each subscription.
	Tenants map[string]string
}

// Server is an http.Handler for management.azure.com.
type Server struct {
	opts Options

	mu     sync.Mutex
	groups map[string]*group // by /subscriptions/S/resourcegroups/G in lower case
}

type group struct {
	subscription, name, location string
	resources                    map[string]*Resource
	deployments                  map[string]*deployment
	running                      map[string]*containerGroup
}

// New makes a server without resource groups.
func New(opts Options) *Server {
	return &Server{opts: opts, groups: map[string]*group{}}
}

// AddGroup makes a resource group.
func (s *Server) AddGroup(subscription, name, location string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[groupKey(subscription, name)] = &group{subscription: subscription, name: name, location: location, resources: map[string]*Resource{}, deployments: map[string]*deployment{}}
}

func groupKey(subscription, name string) string {
	return strings.ToLower("/subscriptions/" + subscription + "/resourcegroups/" + name)
}

// Resources are those of a group, as TYPE NAME, sorted.
func (s *Server) Resources(subscription, name string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[groupKey(subscription, name)]; g != nil {
		for _, r := range g.resources {
			list = append(list, r.Type+" "+r.Name)
		}
	}
	slices.Sort(list)
	return list
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, answer, err := s.handle(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		status, answer = err.status, map[string]any{"error": err.Details}
	}
	w.WriteHeader(status)
	if status == http.StatusNoContent {
		return
	}
	// A client that is gone has nobody to be told.
	_ = json.NewEncoder(w).Encode(answer)
}

// Error is a refusal.
type Error struct {
	status int
	Details
}

// Details is an error as the service writes it.
type Details struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Target  string    `json:"target,omitempty"`
	Details []Details `json:"details,omitempty"`
}

func refuse(status int, code, message string) *Error {
	return &Error{status, Details{Code: code, Message: message}}
}

func (s *Server) handle(r *http.Request) (int, any, *Error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) == 8 && strings.EqualFold(strings.Join(parts[4:7], "/"), "providers/Microsoft.ContainerInstance/containerGroups") {
		return s.handleGroup(r, parts)
	}
	if len(parts) != 8 || !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourcegroups") || !strings.EqualFold(strings.Join(parts[4:7], "/"), "providers/Microsoft.Resources/deployments") {
		return 0, nil, refuse(http.StatusNotFound, "ResourceNotFound", "The resource "+r.URL.Path+" was not found.")
	}
	if err := s.authorize(r, parts[1]); err != nil {
		return 0, nil, err
	}
	if v := r.URL.Query().Get("api-version"); !slices.Contains([]string{"2021-04-01", "2022-09-01"}, v) {
		return 0, nil, refuse(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '"+v+"' is invalid.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[groupKey(parts[1], parts[3])]
	if g == nil {
		return 0, nil, refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+parts[3]+"' could not be found.")
	}
	name := strings.ToLower(parts[7])
	switch r.Method {
	case http.MethodGet:
		d := g.deployments[name]
		if d == nil {
			return 0, nil, refuse(http.StatusNotFound, "DeploymentNotFound", "Deployment '"+parts[7]+"' could not be found.")
		}
		d.step(s, g)
		return http.StatusOK, d.answer(), nil
	case http.MethodPut:
		body, err := io.ReadAll(io.LimitReader(r.Body, maxTemplate+1))
		if err != nil || len(body) > maxTemplate {
			return 0, nil, refuse(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The request content is longer than 4 MB.")
		}
		if d := g.deployments[name]; d != nil && d.active() {
			return 0, nil, refuse(http.StatusConflict, "DeploymentActive", "The deployment '"+parts[7]+"' is still active.")
		}
		d, refusal := newDeployment(parts[7], body, g)
		if refusal != nil {
			return 0, nil, refusal
		}
		g.deployments[name] = d
		return http.StatusCreated, d.answer(), nil
	}
	return 0, nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method+" is not supported.")
}

func (s *Server) authorize(r *http.Request, subscription string) *Error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	tenant, client, err := s.opts.Verify(token, Audience)
	if err != nil {
		return refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid: "+err.Error())
	}
	owner, known := s.opts.Tenants[strings.ToLower(subscription)]
	switch {
	case !known:
		return refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+subscription+"' could not be found.")
	case owner != tenant:
		return refuse(http.StatusForbidden, "AuthorizationFailed", "The client '"+client+"' does not have authorization to perform action 'Microsoft.Resources/deployments/write' over this scope.")
	}
	return nil
}

// strict refuses members that nobody reads: a misspelt one would do nothing.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
