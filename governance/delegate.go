package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Delegate names one purpose for which a room of a contract can let other
// workloads in, that the contract's own policy does not describe. Delegation is
// a room's word alone, without a vote, and whoever holds a room's evidence can
// give it: watch [ContractClient.Delegates].
//
// The service joins contract, type and id with _ when it stores a policy, and
// escapes nothing: contract ids without _ keep their delegates apart.
type Delegate struct {
	Type string `json:"delegateType"`
	ID   string `json:"delegateId"`
}

// SecretDelegate is who may read one secret, by the id that setting it returned.
func SecretDelegate(secretID string) Delegate { return Delegate{"secrets", secretID} }

// TokenDelegate is who may get tokens of the subject.
func TokenDelegate(subject string) Delegate { return Delegate{"oauth-federation-subjects", subject} }

// EventDelegate is who may report events.
func EventDelegate() Delegate { return Delegate{"events", "writer"} }

// CADelegate is who may get an endorsed certificate.
func CADelegate() Delegate { return Delegate{"ca", "endorsed-cert"} }

// SigningDelegate is who may have payloads signed.
func SigningDelegate() Delegate { return Delegate{"podpolicies", "admin"} }

func (d Delegate) String() string { return d.Type + "/" + d.ID }

func (d Delegate) path() (string, error) {
	if err := checkID("delegate type", d.Type); err != nil {
		return "", err
	}
	if err := checkID("delegate id", d.ID); err != nil {
		return "", err
	}
	return "/cleanroompolicy/delegates/" + d.Type + "/" + d.ID, nil
}

// Delegates lists what rooms of the contract ever delegated. An entry stays
// when its last claim is removed.
func (c *ContractClient) Delegates(ctx context.Context) (_ []Delegate, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Delegates")
	defer end(&err)
	path, err := contractPath(c.id)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Value []Delegate `json:"value"`
	}
	if err := c.c.wire.get(ctx, c.op("list delegates of"), path+"/cleanroompolicy/delegates", &doc); err != nil {
		return nil, err
	}
	return doc.Value, nil
}

// DelegatePolicy reads the claims of one delegate, with the values of which one
// must match; none for a delegate that never was.
func (c *ContractClient) DelegatePolicy(ctx context.Context, d Delegate) (_ map[string][]any, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.DelegatePolicy")
	defer end(&err)
	below, err := d.path()
	if err != nil {
		return nil, err
	}
	var doc struct {
		Claims map[string][]any `json:"claims"`
	}
	if err := c.post(ctx, "read policy of delegate "+d.String()+" of", below, &doc); err != nil {
		return nil, err
	}
	return doc.Claims, nil
}

// delegateDoc has the kind of update under two names: the release's source
// reads one of them, and its description has the other.
type delegateDoc struct {
	Type         string         `json:"type"`
	DelegateType string         `json:"delegateType"`
	PolicyType   string         `json:"policyType,omitempty"`
	Claims       map[string]any `json:"claims"`
}

// SetDelegatePolicy changes the claims that the evidence of a delegate's
// workload must have, as [PolicyUpdate] describes. The room itself must match
// the contract's policy. Removing what is not there fails in the service.
func (r *RoomClient) SetDelegatePolicy(ctx context.Context, d Delegate, update PolicyUpdate) (err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.SetDelegatePolicy")
	defer end(&err)
	op := fmt.Sprintf("set policy of delegate %s of %s", d, r.contractID)
	below, data, err := d.update(op, update)
	if err != nil {
		return err
	}
	_, err = r.writeSigned(ctx, call{op: op, method: http.MethodPut, path: r.path(below)}, data)
	return update.settled(err)
}

// update is where the delegate's policy is, and the text that changes it.
func (d Delegate) update(op string, update PolicyUpdate) (below string, data []byte, err error) {
	if below, err = d.path(); err != nil {
		return "", nil, err
	}
	if err := checkUpdate(op, update); err != nil {
		return "", nil, err
	}
	if data, err = json.Marshal(delegateDoc{update.Type, update.Type, update.PolicyType, update.Claims}); err != nil {
		return "", nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	return below, data, nil
}

// settled takes the refusal to remove for success if the first copy of the
// request took the values away.
func (u PolicyUpdate) settled(err error) error {
	if err != nil && u.Type == PolicyRemove && wasRepeated(err) && removedBefore(err) {
		return nil
	}
	return err
}

// removedBefore recognises the service's refusal to remove what is not there.
func removedBefore(err error) bool {
	return hasCode(err, "InternalError") && strings.Contains(err.Error(), "does not exist")
}

func checkUpdate(op string, update PolicyUpdate) error {
	if update.Type != PolicyAdd && update.Type != PolicyRemove {
		return fmt.Errorf("governance: %s: type %q must be add or remove", op, update.Type)
	}
	if len(update.Claims) == 0 {
		return fmt.Errorf("governance: %s: no claim", op)
	}
	if update.Type == PolicyRemove {
		return nil // whatever came in goes out again
	}
	for _, name := range slices.Sorted(maps.Keys(update.Claims)) {
		// No evidence has it; more likely the value was not there yet.
		if v := update.Claims[name]; v == nil || v == "" {
			return fmt.Errorf("governance: %s: claim %s has no value", op, name)
		}
	}
	return nil
}
