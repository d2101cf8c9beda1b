// Package e2e tests the program from the outside: it starts `daemun up` on
// manifests, changes files, kills processes, sends good and hostile requests
// over sockets, and looks at nothing but answers, output and processes.
//
// It holds tests only and knows no package of the program but the test kit.
//
// Two variables make it longer: DAEMUN_CHURN=60s is the time of the churn test,
// DAEMUN_SCALE=10000 the number of Ingresses of the scale test.
package e2e
