package ccf

import "slices"

// cgsActions are the actions that the clean room constitution adds.
var cgsActions = map[string]definition{
	"set_contract":          {validate: check(is("string", "contractId"), is("object", "contract")), apply: applyContract},
	"set_member_document":   {validate: check(is("string", "documentId"), is("object", "document")), apply: applyDocument},
	"set_deployment_spec":   {validate: validateDeployment("spec", "Deployment spec"), apply: applyDeployment(specTable, "spec")},
	"set_deployment_info":   {validate: validateDeployment("info", "Deployment info"), apply: applyDeployment(infoTable, "info")},
	"set_clean_room_policy": {validate: validatePolicy, apply: applyPolicy},

	"set_contract_runtime_options_enable_logging":    contractOption("logging", "enabled"),
	"set_contract_runtime_options_disable_logging":   contractOption("logging", "disabled"),
	"set_contract_runtime_options_enable_telemetry":  contractOption("telemetry", "enabled"),
	"set_contract_runtime_options_disable_telemetry": contractOption("telemetry", "disabled"),

	"set_cgs_runtime_options": {validate: check(oneOf("option", cgsOptions()...), oneOf("status", "enabled", "disabled")), apply: applyCGSOption},

	"enable_ca":                    {validate: onAccepted("Enabling the CA"), apply: applyEnableCA},
	"ca_enable_rotate_signing_key": {validate: validateRotateCA, apply: applyRotateCA},

	"enable_oidc_issuer":                    {validate: check(is("string", "kid")), apply: applyEnableIssuer},
	"oidc_issuer_enable_rotate_signing_key": {apply: applyRotateIssuer},
	"set_oidc_issuer_url":                   {validate: check(is("string", "issuer_url")), apply: applyIssuerURL},

	"enable_signing":                    {validate: check(is("string", "kid")), apply: applyEnableSigning},
	"signing_enable_rotate_signing_key": {apply: applyRotateSigning},
}

// acceptedContract checks that the contract of the arguments was accepted.
func acceptedContract(x *tx, args any, what string) error {
	if err := checkAll(args, []rule{is("string", "contractId")}); err != nil {
		return err
	}
	id, _ := textField(args, "contractId")
	if _, ok := contractTable.get(x, id); !ok {
		return throw("Error: %s can only be proposed once contract '%s' has been accepted.", what, id)
	}
	return nil
}

func onAccepted(what string) func(*tx, any) error {
	return func(x *tx, args any) error { return acceptedContract(x, args, what) }
}

// applyContract stores the proposed copy, whatever became of the draft.
func applyContract(a *applying, args any) error {
	id, _ := textField(args, "contractId")
	contractTable.put(a.tx, id, acceptedCopy{
		data: field(field(args, "contract"), "data"), proposalID: a.id, finalVotes: a.proposal.finalVotes,
	})
	return nil
}

func validateDeployment(argument, what string) func(*tx, any) error {
	return func(x *tx, args any) error {
		if err := checkAll(args, []rule{is("string", "contractId"), is("object", argument)}); err != nil {
			return err
		}
		return acceptedContract(x, args, what)
	}
}

func applyDeployment(t table[any], argument string) func(*applying, any) error {
	return func(a *applying, args any) error {
		id, _ := textField(args, "contractId")
		t.put(a.tx, id, field(field(args, argument), "data"))
		return nil
	}
}

// contractOption is the action that sets logging or telemetry of a contract.
func contractOption(option, status string) definition {
	return definition{
		validate: onAccepted("Action"),
		apply: func(a *applying, args any) error {
			id, _ := textField(args, "contractId")
			contractOptionTable.put(a.tx, optionKey(option, id), status)
			return nil
		},
	}
}

// cgsOptions lists the service-wide options.
func cgsOptions() []string {
	var names []string
	for _, set := range []map[string]string{cgsOperatorOptions, contractOperatorOptions} {
		for _, option := range set {
			names = append(names, option)
		}
	}
	slices.Sort(names)
	return names
}

func applyCGSOption(a *applying, args any) error {
	option, _ := textField(args, "option")
	status, _ := textField(args, "status")
	cgsOptionTable.put(a.tx, option, status)
	return nil
}
