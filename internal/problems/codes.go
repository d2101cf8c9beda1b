package problems

func manifests() Group {
	return Group{
		Title:  "Manifests: DMN01xx",
		Before: "An object with an error of this group is not used. When it was read before, its last good version stays in service until the file is right again.",
		Codes: []Code{
			{"DMN0101", "error; warning for a file that is gone", "a file or folder cannot be read", "check name and permissions; what it gave before stays"},
			{"DMN0102", "error", "a document is neither YAML nor JSON", "look at the line it names; blanks and quotes are the usual reasons"},
			{"DMN0103", "warning", "a document has no `apiVersion` and `kind`", "move other YAML out of the folder, or name the files to read"},
			{"DMN0104", "error", "the kind has no such field", "correct the name; a near one is suggested"},
			{"DMN0105", "error", "a value has the wrong type", "write the type it asks for: quote text that looks like a number, unquote numbers"},
			{"DMN0106", "error", "a value is not allowed", "write one that the sentence names"},
			{"DMN0107", "error", "a required field is missing", "add it"},
			{"DMN0108", "error", "an object is defined in two places", "keep one; the first place is named and wins"},
			{"DMN0109", "notice", "objects of kinds that Daemun does not use were left out", "nothing"},
			{"DMN0110", "notice", "an object is in an old form and was read as the present one", "write the form that the sentence names"},
			{"DMN0111", "error", "the `apiVersion` or `kind` does not exist", "correct it; the known version is named"},
			{"DMN0112", "error", "a file, document or nesting is over its bound", "split it"},
			{"DMN0113", "error", "the file is a template", "render it first: `helm template … | daemun up -`"},
			{"DMN0114", "notice", "the file belongs to another tool and was left out", "for Kustomize: `kustomize build … | daemun up -`"},
			{"DMN0115", "notice", "an object of a cluster-wide kind names a namespace, which is ignored", "remove the namespace"},
			{"DMN0116", "error", "a field is written twice in one mapping", "keep one"},
			{"DMN0117", "notice", "a required field is missing and got the value it has in old forms", "write it"},
			{"DMN0118", "warning", "a folder that was named holds no manifests", "name another folder, or put files named `*.yaml`, `*.yml` or `*.json` there"},
		},
	}
}

func ingresses() Group {
	return Group{
		Title: "Ingresses and Services: DMN02xx",
		Codes: []Code{
			{"DMN0125", "warning; error in the webhook, which refuses it", "a path has characters that its type does not allow (`strict-validate-path-type`)", "use `ImplementationSpecific` for expressions"},
			{"DMN0201", "warning", "`ingressClassName` names no IngressClass, so nobody serves the Ingress", "create the class or name an existing one"},
			{"DMN0202", "error", "a host is no DNS name; the rule is left out", "write one such as `shop.example.com` or `*.example.com`"},
			{"DMN0203", "error", "a path is no URI path; the path is left out", "begin it with `/`, without blanks and controls, at most 1 KiB"},
			{"DMN0204", "error", "a path type is none of the three; the path is left out", "write `Exact`, `Prefix` or `ImplementationSpecific`"},
			{"DMN0205", "error", "an older Ingress has the same host, path and type; this path is not used", "remove one of them"},
			{"DMN0206", "error", "a backend is not a Service; it is left out", "write `service.name` and `service.port`"},
			{"DMN0207", "error", "the Service does not exist in the namespace of the Ingress; requests get 503", "create it or correct the name"},
			{"DMN0208", "error", "the Service has no such TCP port; requests get 503", "write one of the ports that are listed"},
			{"DMN0209", "error", "a path cannot be used as a regular expression; its requests get 503", "use RE2 syntax: no look-around, no backreferences"},
			{"DMN0210", "error", "a host has more than 100 expressions; those over it get 503", "join expressions, or use plain paths"},
			{"DMN0211", "warning", "a path looks like an expression but is compared literally", "set `use-regex` on the Ingress if an expression is meant"},
			{"DMN0212", "error", "the external name of a Service is not acceptable; requests get 503", "write a DNS name that is not this machine"},
			{"DMN0213", "warning", "the Service of `default-backend` cannot be used; the annotation is ignored", "create it with a port, or correct the name"},
			{"DMN0214", "error", "`--default-backend-service` cannot be used", "name an existing Service as NAMESPACE/NAME"},
			{"DMN0215", "error", "another Ingress already is the catch-all; this `defaultBackend` is not used", "remove one of them"},
			{"DMN0216", "error", "an older Ingress decides this setting of the host", "write it the same everywhere, or only once"},
			{"DMN0217", "warning", "a `server-alias` is ignored: it is taken, or no name", "choose another"},
			{"DMN0218", "warning", "a `from-to-www-redirect` cannot be made", "remove it, or the host or redirect that stands in its way"},
			{"DMN0219", "warning", "the last good version of the Ingress stays in service", "correct the error that is reported beside it"},
			{"DMN0220", "warning", "the Ingress has neither rules nor a default backend", "add one of them"},
			{"DMN0221", "error", "a source range of a load balancer is no network; it lets nobody in", "write networks such as `10.0.0.0/8`"},
			{"DMN0231", "warning", "a canary Ingress has no main one with the same host, path and path type, or cannot be one of it; it gets nothing there", "add the main Ingress, or correct what the sentence names"},
			{"DMN0241", "error; warning for the ConfigMap itself", "an entry of the ConfigMap of published TCP or UDP ports cannot be read", "write `PORT: NAMESPACE/NAME:PORT`"},
			{"DMN0242", "error", "it names a Service or a port that there is not, or an external name without address", "create it, or correct the entry"},
			{"DMN0243", "error", "it asks for the PROXY protocol for UDP, or it cannot be told whose headers to believe", "remove `PROXY`; or mend the ConfigMap for all hosts"},
			{"DMN0244", "error; warning while there is a certificate in service", "the webhook's certificate cannot be read, made or renewed", "correct the files; or allow get, create and update of the Secret ([cluster.md](cluster.md))"},
			{"DMN0245", "error", "the ValidatingWebhookConfiguration cannot be made to trust the webhook", "create it, or correct its name; allow get and patch"},
			{"DMN0246", "notice", "a published port takes PROXY headers from everybody", "write the networks of your proxies into `proxy-real-ip-cidr`"},
			{"DMN0291", "error", "a `defaultBackend`, which `--disable-catch-all` forbids; the Ingress is left out", "remove the field"},
			{"DMN0292", "error", "a Service with an external name, which `--disable-svc-external-name` forbids", "use a Service with endpoints"},
			{"DMN0293", "warning", "the ConfigMap of `--configmap` cannot be used; defaults apply", "create it, or correct the flag"},
		},
	}
}

func annotations() Group {
	return Group{
		Title: "Annotations: DMN03xx",
		Codes: []Code{
			{"DMN0301", "warning", "a bad value is ignored; the default applies", "write a value as the sentence says"},
			{"DMN0302", "error", "because of a bad value the Ingress is not loaded in this version", "correct the value"},
			{"DMN0303", "error", "because of a bad value all routes of the Ingress answer 503", "correct the value"},
			{"DMN0306", "warning", "there is no annotation of this name; it is ignored", "correct the name; a near one is suggested"},
			{"DMN0307", "error", "a snippet: text of an Ingress never becomes configuration; the Ingress is not loaded", "say it with typed annotations"},
			{"DMN0308", "notice", "ingress-nginx itself ignores this annotation by now", "remove it"},
			{"DMN0309", "warning", "the value is good but has no effect beside the others", "remove one of them"},
			{"DMN0311", "error", "a Secret or ConfigMap that an annotation names cannot be used; all routes of the Ingress answer 503", "create or correct what the sentence names"},
			{"DMN0312", "warning", "a Secret with users has some who can never log in, or none", "write hashes of a form that the sentence names"},
			{"DMN0313", "notice", "the annotation adjusts what only nginx has; it is accepted and has no effect", "nothing"},
			{"DMN0315", "notice", "in the ConfigMap: everybody is believed about the client's address", "name the networks of your proxies in `proxy-real-ip-cidr`"},
			{"DMN0316", "error", "`ssl-passthrough` where TLS is always ended here; the routes of the Ingress answer 503", "set `--enable-ssl-passthrough`, or remove the annotation"},
			{"DMN0317", "error", "`ssl-passthrough` of a host without a Service for its path `/`; its TLS connections are closed", "add the path"},
			{"DMN0318", "warning", "cipher suites of `ssl-ciphers` that are not offered were left out", "remove them"},
			{"DMN0319", "warning", "in the ConfigMap: TLS versions or cipher suites that are not offered were left out", "remove them"},
			{"DMN0326", "error", "a certificate demands an OCSP answer (must-staple) that cannot be had; clients may refuse it", "correct what the sentence names; or order a certificate without that demand"},
			{"DMN0327", "notice", "no OCSP answer can be had for a certificate (`enable-ocsp`); it is served without", "append the issuer's certificate to `tls.crt`; or let Daemun reach the responder"},
			{"DMN0328", "error", "the issuer says that a certificate is revoked", "replace it"},
			{"DMN0330", "error", "the ConfigMap that `add-headers` or `proxy-set-headers` names cannot be used; none of its fields is set", "create or correct what the sentence names"},
			{"DMN0331", "error; warning with `--ignore-unsupported-snippets`", "a snippet, which `allow-snippet-annotations` does not allow; all routes of the Ingress answer 503", "say it with typed annotations, or allow snippets"},
			{"DMN0332", "error", "a snippet that cannot be read, or a directive in it that is not understood; its routes answer 503", "use what the sentence names; [all directives](snippets.md)"},
			{"DMN0333", "warning", "the same with `--ignore-unsupported-snippets`, or in a snippet that is not about requests, or for a directive that guards nothing, such as a cache: it is left out", "the same"},
			{"DMN0334", "notice", "a directive of a snippet changes nothing here", "remove it"},
			{"DMN0335", "notice", "an expression that the linear engine cannot run: one with back-tracking runs it, which is slower and gives up on costly texts", "write it without look-around and back-references"},
			{"DMN0360", "warning", "traces are asked for and `otlp-collector-host` is not set; contexts are passed on, nothing is recorded", "name a collector in the ConfigMap"},
			{"DMN0361", "error", "a firewall is asked for, and this build has none; the routes answer 503", "take the image, or build with the tag `waf`"},
			{"DMN0362", "error", "rules of the firewall cannot be used; the routes answer 503", "correct the line that the sentence names"},
			{"DMN0364", "warning", "a database about addresses cannot be used; its variables are empty, or as in the last good file", "put the file into the directory of `--geoip-directory`"},
			{"DMN0370", "warning", "a log format has variables that nginx does not have, or that never have a value here", "correct the name; [logs.md](logs.md) lists the variables"},
			{"DMN0371", "warning", "`enable-syslog` without `syslog-host`; the access log stays where it is", "name the server"},
			{"DMN0372", "warning", "a file for the access log, without `--access-log-dir`; the lines go to standard output", "give the flag a folder that Daemun may write to"},
			{"DMN0373", "error", "the access log cannot be written; its lines are lost and counted", "make room, or mend what the sentence names"},
			{"DMN0389", "warning; the webhook refuses it", "an annotation with the prefix `nginx.ingress.kubernetes.io`, where `--annotations-prefix` says another", "correct the prefix"},
			{"DMN0390", "error", "an annotation of a higher risk than `annotations-risk-level` allows; the Ingress is left out", "remove it, or ask for another level"},
			{"DMN0391", "error", "a value that `annotation-value-word-blocklist` forbids; the Ingress is left out", "remove the text"},
		},
	}
}

func certificates() Group {
	return Group{
		Title: "TLS and certificates: DMN04xx",
		After: "With 0402 to 0404 the last good pair of the Secret stays in service, if there was one.",
		Codes: []Code{
			{"DMN0401", "error", "the Secret does not exist; the default certificate is served", "create it in the namespace of the Ingress"},
			{"DMN0402", "error", "the Secret lacks `tls.crt` or `tls.key`", "use a Secret of type `kubernetes.io/tls` with both"},
			{"DMN0403", "error", "the certificate or the key cannot be read", "store PEM: the chain with its leaf first, and one private key"},
			{"DMN0404", "error", "certificate and key do not belong together", "store the key of the first certificate of the chain"},
			{"DMN0405", "warning", "the certificate does not cover the host; the default certificate is served", "get one that does, or name another Secret"},
			{"DMN0406", "error", "`--default-ssl-certificate` cannot be used", "name a usable Secret as NAMESPACE/NAME"},
		},
	}
}

func workloads() Group {
	return Group{
		Title: "Workloads: DMN05xx",
		Codes: []Code{
			{"DMN0501", "warning", "the image has no program here (`ErrImageNeverPull`)", "`--image NAME=PATH`, or give the container a `command`"},
			{"DMN0502", "warning", "a ConfigMap, a Secret or a key of one does not exist; the container waits", "add it, or mark the reference optional"},
			{"DMN0503", "error", "a container ends again and again; it is restarted with growing pauses", "read its last words and `daemun logs`"},
			{"DMN0504", "error; warning where another address is given", "a Service asks for an address that it cannot have", "leave the field out, or choose a free one of the network"},
			{"DMN0505", "error, notice", "a volume cannot be made (error); it is empty or a folder of this machine (notice)", "use a kind that the sentence names"},
			{"DMN0506", "warning", "a probe cannot be made", "correct the port name or give it a handler"},
			{"DMN0507", "error", "no node takes the Pod", "correct `nodeName` or `nodeSelector`, or add the node"},
			{"DMN0508", "notice", "volumes cannot be shown at their mount paths here", "read the folder from `DAEMUN_VOLUME_…`, or permit user namespaces"},
			{"DMN0509", "error", "a workload asks for something impossible", "correct what the sentence names"},
			{"DMN0510", "error", "a Job has used up its retries", "correct the program, then change or delete the Job"},
			{"DMN0511", "error; warning for a hook", "a container could not be started, or one of its hooks failed", "correct `command`, `workingDir` or the hook"},
			{"DMN0512", "notice", "a field has no effect on one machine", "remove it, or leave it for the cluster: it does no harm"},
			{"DMN0513", "warning", "a part of a Pod's `dnsConfig`, `hostAliases` or host name is over its bound or no such value, and is left out (a cluster's event `DNSConfigForming`)", "correct or shorten what the sentence names"},
			{"DMN0514", "notice", "containers see this machine's own names, or not all Services", "permit user namespaces, or ask the server in `DAEMUN_DNS`; see [names](standalone.md#names)"},
			{"DMN0520", "error", "a Service asks for a node port or health check port that it cannot have; it works without", "leave the field out, or choose a free one from 30000 to 32767"},
			{"DMN0521", "error; warning for an address of another network; notice for another class", "a Service of type LoadBalancer stays pending; all else of it works", "do what the sentence says: choose another address or none, share it, or free one"},
		},
	}
}

func names() Group {
	return Group{
		Title: "Names: DMN061x",
		Codes: []Code{
			{"DMN0611", "notice", "nobody answers on port 53 of the DNS address", "give the capability or lower the sysctl that the sentence names, or live with it: short names still work in Pods"},
		},
	}
}

func addresses() Group {
	return Group{
		Title:  "Addresses of Services: DMN065x",
		Before: "Connections that are open go on in any case. What could not be opened is tried again with every change.",
		Codes: []Code{
			{"DMN0651", "error", "no permission to listen on low ports", "lower `net.ipv4.ip_unprivileged_port_start`, or give the program `CAP_NET_BIND_SERVICE`"},
			{"DMN0652", "error", "another program listens on the address and port", "stop it, or choose another port"},
			{"DMN0653", "error", "an address is not one of this machine", "choose one of 127.0.0.0/8, or add it with `ip address add`"},
			{"DMN0654", "error", "another Service already has the address and port", "choose another address or port"},
			{"DMN0655", "error", "an address and port could not be opened; or there are more than the limit of open files allows", "as the sentence says; raise `ulimit -n`"},
			{"DMN0656", "notice", "the kernel refuses socket filters, so TCP clients that should time out are reset instead", "nothing; for exactly what a cluster does give the program `CAP_NET_ADMIN`"},
		},
	}
}

func configMap() Group {
	return Group{
		Title: "ConfigMap, and settings that another Ingress decides: DMN07xx",
		Codes: []Code{
			{"DMN0701", "warning", "a value cannot be read; the default applies", "write what the sentence says"},
			{"DMN0704", "warning", "there is no key of this name", "correct the name"},
			{"DMN0705", "error", "configuration text for nginx; it is never accepted", "say the same with typed keys and annotations"},
			{"DMN0706", "notice", "a key that has no effect here", "remove it"},
			{"DMN0707", "error", "a value of a key that guards access cannot be read; all routes answer 503", "write what the sentence says"},
			{"DMN0780", "warning", "an older Ingress of the host decides this setting, so that this one has no effect", "write it there"},
			{"DMN0781", "warning", "another Ingress that uses the same Service port decides this setting, so that this one has no effect", "write it there, or use a Service of its own"},
			{"DMN0782", "warning", "the Path of an affinity cookie is an expression, which browsers take for a plain path and never match", "set `session-cookie-path`"},
		},
	}
}

func apiServer() Group {
	return Group{
		Title:  "API server and namespaces: DMN08xx",
		Before: "`daemun check --cluster` tells those from 0820 on.",
		Codes: []Code{
			{"DMN0801", "error", "most objects of a kind vanished from the API server at once; they stay in service for 30 seconds", "if that was meant, wait; else look at the API server and etcd"},
			{"DMN0802", "error; warning for IngressClasses", "the service account may not read a kind of object", "grant what the sentence names ([cluster.md](cluster.md) has the rules)"},
			{"DMN0803", "error", "a host belongs to another namespace, whose Ingress is older (`--strict-host-ownership`); what this Ingress says of it is left out", "use another host"},
			{"DMN0804", "error", "a namespace has as much as it may (`namespace-max-…` of the ConfigMap); the Ingress is left out", "remove something older, or ask for a higher bound"},
			{"DMN0805", "error", "a canary names a path of another namespace; it gets no requests", "put it into the namespace of the main Ingress; the operator may set `allow-cross-namespace-resources`"},
			{"DMN0806", "warning", "a certificate has expired; it is served all the same", "put a new one into the Secret"},
			{"DMN0820", "error", "the API server does not answer", "choose another cluster with `--kubeconfig` and `--context`, or see that it can be reached"},
			{"DMN0821", "error; warning for what is only written", "a right of the controller is missing", "add the rule that the sentence shows to its role"},
			{"DMN0822", "error", "the API server is older than Kubernetes 1.21", "update it"},
			{"DMN0823", "warning", "the clocks of the API server and of this machine differ by more than 10 seconds", "synchronise both"},
			{"DMN0824", "notice", "several IngressClasses have one controller: who serves one serves them all", "give one another controller if two programs are to share the work"},
			{"DMN0825", "warning", "several IngressClasses are the default", "leave the annotation on one"},
			{"DMN0826", "warning", "an ingress-nginx serves the same IngressClasses", "end it, or give one of the two another `--controller-class`: [moving](from-ingress-nginx.md)"},
			{"DMN0827", "warning", "Ingresses of one controller show different addresses", "end the other controller, or give it another class"},
			{"DMN0828", "warning", "controllers in two namespaces have a leader each", "nothing if they serve different classes or namespaces; else end one"},
			{"DMN0829", "notice", "a part of the cluster could not be looked at", "run the check with more rights to learn of other controllers"},
			{"DMN0830", "warning", "no IngressClass has a controller that is served", "create one, or correct `--controller-class`"},
			{"DMN0831", "notice", "Ingresses name no class and are not served", "write `spec.ingressClassName`, or start with `--watch-ingress-without-class`"},
		},
	}
}

func commandLine() Group {
	return Group{
		Title:  "Command line: DMN09xx",
		Before: "`daemun check --pre` tells the first six of this machine, `daemun check` the next two of a running Daemun, `daemun lint` the last one of files.",
		Codes: []Code{
			{"DMN0901", "error", "another program has a port", "stop it, or choose another port"},
			{"DMN0902", "error", "no permission to listen on a port", "lower `net.ipv4.ip_unprivileged_port_start`, give the program `CAP_NET_BIND_SERVICE`, or choose a port from 1024"},
			{"DMN0903", "error", "a port cannot be listened on", "as the sentence says; an address has to be one of this machine"},
			{"DMN0904", "warning", "the limit of open files is low", "raise it with `ulimit -n`"},
			{"DMN0905", "warning", "there is no resolver to ask for names outside of the Service network", "name one in `/etc/resolv.conf`"},
			{"DMN0906", "error", "the clock is wrong", "set it"},
			{"DMN0907", "error", "the running Daemun is not ready", "as the sentence says"},
			{"DMN0908", "error; warning within 14 days", "a certificate has expired, or does soon", "renew it"},
			{"DMN0921", "notice", "an Ingress chooses its class by the deprecated annotation `kubernetes.io/ingress.class`", "write `spec.ingressClassName`; `daemun lint --fix` does"},
		},
	}
}
