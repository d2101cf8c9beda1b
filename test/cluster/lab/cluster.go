package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// startTimeout bounds how long one program may take until it serves. It is long
// because machines that run tests are busy.
const startTimeout = 2 * time.Minute

// Options say how a control plane differs from the usual one.
type Options struct {
	// Address is where the API server listens and what it tells Pods; default
	// 127.0.0.1, and an address of the Pod network for Pods.
	Address string
	// PodNetwork is what nodes get their Pod addresses from; default PodNetwork.
	PodNetwork string
	// Audit are users whose requests are written down; see Requests.
	Audit []string
	// APIServer, ControllerManager and Scheduler are further arguments.
	APIServer, ControllerManager, Scheduler []string
}

// Cluster is a running control plane, started by Start. Its methods are safe
// for concurrent use, except for Stop, KillAPIServer and StartAPIServer.
type Cluster struct {
	// Dir holds all its files: pki/, logs, etcd's data.
	Dir string
	// URL is the API server's, Kubeconfig a file for its administrator.
	URL, Kubeconfig string
	Programs        Programs

	options   Options
	client    *Client
	http      *http.Client
	apiserver *process
	others    []*process
	etcdURL   string
}

// Start starts a control plane on free ports and waits until it serves. The
// folder must exist; Stop leaves it as it is.
func Start(dir string, p Programs, o Options) (*Cluster, error) {
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.PodNetwork == "" {
		o.PodNetwork = PodNetwork.String()
	}
	c := &Cluster{
		Dir: dir, Programs: p, options: o,
		Kubeconfig: filepath.Join(dir, "kubeconfig"),
		URL:        fmt.Sprintf("https://%s", net.JoinHostPort(o.Address, ports[0])),
		etcdURL:    "http://127.0.0.1:" + ports[1],
	}
	if err := c.writeCredentials(); err != nil {
		return nil, err
	}
	if err := errors.Join(c.startEtcd(ports[2]), c.StartAPIServer(), c.startControllers(ports[3], ports[4])); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Stop ends everything at once: the data is not wanted afterwards.
func (c *Cluster) Stop() {
	if c.apiserver != nil {
		c.apiserver.kill()
	}
	for _, p := range c.others {
		p.kill()
	}
}

// KillAPIServer ends the API server without warning, as an outage does.
func (c *Cluster) KillAPIServer() { c.apiserver.kill() }

// Client speaks to the API server as its administrator.
func (c *Cluster) Client() *Client { return c.client }

func (c *Cluster) pki(name string) string { return filepath.Join(c.Dir, "pki", name) }

// writeCredentials makes certificates and kubeconfigs for everybody.
func (c *Cluster) writeCredentials() error {
	dir := c.pki("")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(dir, "ca")
	if err != nil {
		return err
	}
	front, err := newAuthority(dir, "front")
	if err != nil {
		return err
	}
	masters := []string{"system:masters"}
	serving := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.96.0.1", c.options.Address}
	err = errors.Join(
		ca.issue(leaf{name: "apiserver", commonName: "kube-apiserver", hosts: serving}),
		ca.issue(leaf{name: "kubelet-client", commonName: "kube-apiserver-kubelet-client", organizations: masters}),
		ca.issue(leaf{name: "admin", commonName: "admin", organizations: masters}),
		ca.issue(leaf{name: "controller-manager", commonName: "system:kube-controller-manager"}),
		ca.issue(leaf{name: "scheduler", commonName: "system:kube-scheduler"}),
		front.issue(leaf{name: "front-client", commonName: "front-proxy-client"}),
		newServiceAccountKey(dir),
	)
	if err != nil {
		return err
	}
	for user, file := range map[string]string{"admin": c.Kubeconfig, "controller-manager": c.conf("controller-manager"), "scheduler": c.conf("scheduler")} {
		err = errors.Join(err, c.WriteKubeconfig(file, fmt.Sprintf("client-certificate: %q, client-key: %q", c.pki(user+".crt"), c.pki(user+".key"))))
	}
	if err != nil {
		return err
	}
	return c.newClients()
}

// newServiceAccountKey makes the key pair that signs ServiceAccount tokens.
func newServiceAccountKey(dir string) error {
	key, err := newKey(dir, "serviceaccount")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "serviceaccount.pub"), "PUBLIC KEY", der)
}

func (c *Cluster) conf(user string) string { return filepath.Join(c.Dir, user+".conf") }

// WriteKubeconfig writes a kubeconfig for a user, given as the inside of a flow
// mapping: `token: "…"`, or a client certificate.
func (c *Cluster) WriteKubeconfig(path, user string) error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: me, user: {%s}}]
contexts: [{name: lab, context: {cluster: lab, user: me}}]
current-context: lab
`, c.URL, c.pki("ca.crt"), user)
	return os.WriteFile(path, []byte(text), 0o600)
}

func (c *Cluster) newClients() error {
	ca, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	admin, err := tls.LoadX509KeyPair(c.pki("admin.crt"), c.pki("admin.key"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}},
		ForceAttemptHTTP2: true,
	}}
	c.client = newClient(c.URL, c.http)
	return nil
}

func (c *Cluster) startEtcd(peerPort string) error {
	peer := "http://127.0.0.1:" + peerPort
	return c.startOther("etcd", c.etcdURL+"/health", "etcd", "--name", "lab", "--data-dir", filepath.Join(c.Dir, "etcd"),
		"--unsafe-no-fsync", // a test needs no durability
		"--listen-client-urls", c.etcdURL, "--advertise-client-urls", c.etcdURL,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "lab="+peer, "--log-level", "warn")
}

// StartAPIServer starts the API server on its data, at first or after
// KillAPIServer, and waits until it serves.
func (c *Cluster) StartAPIServer() error {
	address, port, err := net.SplitHostPort(strings.TrimPrefix(c.URL, "https://"))
	if err != nil {
		return err
	}
	advertised, bind := address, "0.0.0.0"
	if address == "127.0.0.1" { // not allowed in the endpoints of its Service
		advertised, bind = "10.244.255.254", address
	}
	args := []string{
		c.Programs.Kube, "apiserver", "--etcd-servers", c.etcdURL, "--bind-address", bind, "--secure-port", port, "--advertise-address", advertised,
		"--tls-cert-file", c.pki("apiserver.crt"), "--tls-private-key-file", c.pki("apiserver.key"), "--client-ca-file", c.pki("ca.crt"),
		"--kubelet-client-certificate", c.pki("kubelet-client.crt"), "--kubelet-client-key", c.pki("kubelet-client.key"),
		"--kubelet-preferred-address-types", "InternalIP,Hostname", // node names do not resolve
		"--requestheader-client-ca-file", c.pki("front.crt"), "--requestheader-allowed-names", "front-proxy-client",
		"--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group", "--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", c.pki("front-client.crt"), "--proxy-client-key-file", c.pki("front-client.key"),
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", c.pki("serviceaccount.pub"), "--service-account-signing-key-file", c.pki("serviceaccount.key"),
		"--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "Node,RBAC",
		"--enable-admission-plugins", "NodeRestriction",
		"--enable-aggregator-routing",                          // webhooks of Services are reached at their endpoints: there is no kube-proxy
		"--disable-admission-plugins", "TaintNodesByCondition", // see startControllers
		"--allow-privileged=true",
	}
	if len(c.options.Audit) > 0 {
		audit, err := c.auditArguments()
		if err != nil {
			return err
		}
		args = append(args, audit...)
	}
	c.apiserver, err = start(c.Dir, "apiserver", nil, append(args, c.options.APIServer...)...)
	if err != nil {
		return err
	}
	return c.await(c.apiserver, c.URL+"/readyz")
}

// startControllers starts controller manager and scheduler and waits for the
// ServiceAccount without which no Pod can be made. Played nodes send no
// heartbeats, so nothing watches for them: the node lifecycle controller is
// off, and with it the admission plug-in whose taint only it would remove.
func (c *Cluster) startControllers(managerPort, schedulerPort string) error {
	shared := func(user string) []string {
		conf := c.conf(user)
		return []string{
			"--kubeconfig", conf, "--authentication-kubeconfig", conf, "--authorization-kubeconfig", conf, "--bind-address", "127.0.0.1",
			"--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000",
		}
	}
	manager := append(shared("controller-manager"), "--secure-port", managerPort, "--controllers=*,-node-lifecycle-controller",
		"--service-account-private-key-file", c.pki("serviceaccount.key"), "--root-ca-file", c.pki("ca.crt"),
		"--cluster-signing-cert-file", c.pki("ca.crt"), "--cluster-signing-key-file", c.pki("ca.key"),
		"--use-service-account-credentials=true", "--allocate-node-cidrs=true", "--cluster-cidr", c.options.PodNetwork, "--service-cluster-ip-range", "10.96.0.0/16")
	err := c.startOther("controller-manager", "https://127.0.0.1:"+managerPort+"/healthz", append([]string{"controller-manager"}, append(manager, c.options.ControllerManager...)...)...)
	if err != nil {
		return err
	}
	scheduler := append(shared("scheduler"), "--secure-port", schedulerPort)
	err = c.startOther("scheduler", "https://127.0.0.1:"+schedulerPort+"/readyz", append([]string{"scheduler"}, append(scheduler, c.options.Scheduler...)...)...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return Until(ctx, func() error {
		_, err := c.client.Get(ctx, "v1", "ServiceAccount", "default", "default")
		return err
	})
}

// startOther starts a program of the multi-call binary and waits for its URL.
func (c *Cluster) startOther(name, health string, args ...string) error {
	p, err := start(c.Dir, name, nil, append([]string{c.Programs.Kube}, args...)...)
	if err != nil {
		return err
	}
	c.others = append(c.others, p)
	return c.await(p, health)
}

// await waits until a program answers its health URL with 200.
func (c *Cluster) await(p *process, url string) error {
	client := c.http
	if !strings.HasPrefix(url, c.URL) { // a self-made certificate of the program's own
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return Until(ctx, func() error {
		if err := p.gone(); err != nil {
			return Final(err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Final(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s; last lines of %s:\n%s", url, response.Status, p.name, p.tail(5))
		}
		return nil
	})
}

// freePorts returns ports of 127.0.0.1 that nobody listens on. Nobody else uses
// this network, so they stay free.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
