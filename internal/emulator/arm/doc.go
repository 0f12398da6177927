// Package arm emulates the deployments of Azure Resource Manager, in the
// background and with the codes of its refusals. A template is judged before
// anything of it is made: its schema, the types and api-versions, the names,
// the expressions, the dependencies. What is deployed is recorded and can be
// referred to; no resource does anything. Expressions are those that the
// templates of this module have; another one is refused rather than guessed.
package arm
