package main

// daemunManifest: backend host, backend port, its port for gRPC, certificate and
// key of ECDSA, of RSA (base64). As with nginx, connections stay for a
// measurement: h2load takes one that is told to end for a failed request, and
// makes no other.
const daemunManifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {proxy-body-size: "0", proxy-request-buffering: "off", keep-alive-requests: "1000000"}
---
apiVersion: v1
kind: Service
metadata: {name: bench}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: bench}
subsets:
  - addresses: [{ip: %s}]
    ports: [{name: http, port: %s}]
---
apiVersion: v1
kind: Service
metadata: {name: calls}
spec:
  ports: [{name: grpc, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: calls}
subsets:
  - addresses: [{ip: 127.0.0.1}]
    ports: [{name: grpc, port: %s}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: calls
  annotations:
    nginx.ingress.kubernetes.io/backend-protocol: GRPC
spec:
  ingressClassName: nginx
  rules:
    - host: bench.test
      http:
        paths:
          - {path: /bench.Bench, pathType: Prefix, backend: {service: {name: calls, port: {number: 80}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: ecdsa}
type: kubernetes.io/tls
data:
  tls.crt: %s
  tls.key: %s
---
apiVersion: v1
kind: Secret
metadata: {name: rsa}
type: kubernetes.io/tls
data:
  tls.crt: %s
  tls.key: %s
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: bench
  annotations:
    nginx.ingress.kubernetes.io/ssl-redirect: "false"
spec:
  ingressClassName: nginx
  tls: [{hosts: [bench.test], secretName: ecdsa}, {hosts: [rsa.test], secretName: rsa}]
  rules:
    - host: bench.test
      http: &paths
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: bench, port: {number: 80}}}}
    - host: rsa.test
      http: *paths
`

// manyIngress: number, number, path.
const manyIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: many-%d}
spec:
  ingressClassName: nginx
  rules:
    - host: host-%d.test
      http:
        paths:
          - {path: %s, pathType: Prefix, backend: {service: {name: many, port: {number: 80}}}}
---`

// manyService: backend host, backend port.
const manyService = `
apiVersion: v1
kind: Service
metadata: {name: many}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: many}
subsets:
  - addresses: [{ip: %s}]
    ports: [{name: http, port: %s}]
`

// manyServiceDocument: number, further fields.
const manyServiceDocument = `
apiVersion: v1
kind: Service
metadata: {name: s-%d}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
  %s
---`

// manySliceDocument: Service, port, endpoints. The second port is for those who
// have one.
const manySliceDocument = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[2]s}, {name: more, port: %[2]s}]
endpoints:%[3]s
---`

// movedDocuments: a second port.
const movedDocuments = `
apiVersion: v1
kind: Service
metadata: {name: moved}
spec:
  ports: [{name: http, port: 80}, {name: more, port: %d}]
---
apiVersion: v1
kind: Service
metadata: {name: moved-headless}
spec:
  clusterIP: None
  ports: [{name: http, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: moved}
spec:
  ingressClassName: nginx
  rules:
    - host: moved.test
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: moved, port: {number: 80}}}}
`

// nginxConf: folder, backend, plain address, TLS address, backend for gRPC. The forwarding
// fields and the log line are those that ingress-nginx sets.
const nginxConf = `
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx-error.log;
events { worker_connections 4096; multi_accept on; }
http {
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $request_id';
  access_log %[1]s/nginx-access.log main;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 75;
  keepalive_requests 1000000; # HTTP/2 connections stay for a measurement
  server_tokens off;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream backend { server %[2]s; keepalive 320; keepalive_requests 10000; }
  upstream calls { server %[5]s; keepalive 320; keepalive_requests 10000; }
  client_max_body_size 0;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:SSL:10m;
  server {
    listen %[3]s default_server;
    listen %[4]s ssl http2;
    server_name bench.test;
    ssl_certificate %[1]s/ecdsa.crt;
    ssl_certificate_key %[1]s/ecdsa.key;
    location /bench.Bench/ {
      grpc_pass grpc://calls;
      grpc_set_header X-Request-ID $request_id;
      grpc_set_header X-Real-IP $remote_addr;
      grpc_set_header X-Forwarded-For $remote_addr;
      grpc_set_header X-Forwarded-Host $host;
      grpc_set_header X-Forwarded-Port $server_port;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_set_header X-Forwarded-Scheme $scheme;
      grpc_set_header X-Scheme $scheme;
    }
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $host;
      proxy_set_header X-Request-ID $request_id;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme;
      proxy_set_header Proxy "";
    }
    location = /status { stub_status; }
  }
  server {
    listen %[4]s ssl http2;
    server_name rsa.test;
    ssl_certificate %[1]s/rsa.crt;
    ssl_certificate_key %[1]s/rsa.key;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $host;
      proxy_set_header X-Request-ID $request_id;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme;
      proxy_set_header Proxy "";
    }
  }
}
`

// haproxyConf: plain address, TLS address, folder, backend, the backend for gRPC.
// Its counters are always on.
const haproxyConf = `
global
  nbthread 1
  maxconn 8192
  log stdout format raw local0
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  log global
  option httplog
  option http-keep-alive
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-keep-alive 75s
  timeout tunnel 60s
frontend front
  bind %[1]s
  bind %[2]s ssl crt %[3]s/ecdsa.pem crt %[3]s/rsa.pem alpn h2,http/1.1
  http-request set-header X-Request-ID %%[uuid]
  http-request set-header X-Real-IP %%[src]
  http-request set-header X-Forwarded-For %%[src]
  http-request set-header X-Forwarded-Host %%[req.hdr(host)]
  http-request set-header X-Forwarded-Port %%[dst_port]
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request set-header X-Scheme http
  http-request set-header X-Forwarded-Scheme http
  http-request del-header Proxy
  use_backend calls if { path_beg /bench.Bench/ }
  default_backend back
backend calls
  http-reuse always
  server one %[5]s proto h2
backend back
  http-reuse always
  server one %[4]s
`

// caddyConf: folder, plain port, TLS port, backend, the backend for gRPC, admin
// address.
const caddyConf = `
{
	admin %[6]s
	auto_https off
	fallback_sni bench.test
	persist_config off
	skip_install_trust
	storage file_system %[1]s/caddy
	metrics
	servers {
		protocols h1 h2
	}
}
(fields) {
	header_up X-Request-ID {http.request.uuid}
	header_up X-Real-IP {remote_host}
	header_up X-Forwarded-Port {http.request.local.port}
	header_up X-Forwarded-Scheme {scheme}
	header_up X-Scheme {scheme}
	header_up -Proxy
}
(site) {
	bind 127.0.0.1
	log {
		output file %[1]s/caddy-access.log {
			roll_disabled
		}
	}
	@calls path /bench.Bench/*
	reverse_proxy @calls h2c://%[5]s {
		import fields
	}
	reverse_proxy %[4]s {
		import fields
		transport http {
			compression off
			keepalive_idle_conns_per_host 320
		}
	}
}
http://bench.test:%[2]s {
	import site
}
https://bench.test:%[3]s {
	tls %[1]s/ecdsa.crt %[1]s/ecdsa.key
	import site
}
https://rsa.test:%[3]s {
	tls %[1]s/rsa.crt %[1]s/rsa.key
	import site
}
`
