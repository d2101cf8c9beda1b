package snippet

import "strings"

// unsupported are the directives that people write and that have another form
// here.
func unsupported() []row {
	var list []row
	for _, u := range []struct{ names, instead string }{
		{"proxy_pass grpc_pass fastcgi_pass uwsgi_pass scgi_pass memcached_pass", "name the Service in the rules of an Ingress (backend-protocol says how it is spoken to)"},
		{"root alias try_files index autoindex", "files are served by a Service"},
		{"auth_basic_user_file", "use the annotations auth-type and auth-secret"},
		{"set_real_ip_from real_ip_header real_ip_recursive", "use the ConfigMap keys use-forwarded-headers and proxy-real-ip-cidr"},
		{"proxy_ssl_certificate proxy_ssl_certificate_key proxy_ssl_trusted_certificate proxy_ssl_password_file proxy_ssl_crl proxy_ssl_verify_depth", "use the annotation proxy-ssl-secret and its companions"},
		{"ssl_verify_client ssl_client_certificate ssl_verify_depth", "use the annotation auth-tls-secret"},
		{"ssl_ciphers ssl_protocols ssl_prefer_server_ciphers", "use the ConfigMap keys ssl-ciphers and ssl-protocols"},
		{"mirror mirror_request_body", "use the annotation mirror-target"},
		{"modsecurity modsecurity_rules modsecurity_rules_file", "use the annotations enable-modsecurity and modsecurity-snippet"},
		{"upstream server", "name a Service in the rules of an Ingress"},
		{"log_format", "use the ConfigMap key log-format-upstream"},
		{"include load_module env perl js_include", "no files are read and no code is run"},
		{"content_by_lua_block access_by_lua_block rewrite_by_lua_block header_filter_by_lua_block body_filter_by_lua_block log_by_lua_block set_by_lua_block init_by_lua_block init_worker_by_lua_block balancer_by_lua_block content_by_lua access_by_lua rewrite_by_lua set_by_lua content_by_lua_file access_by_lua_file rewrite_by_lua_file header_filter_by_lua_file body_filter_by_lua_file set_by_lua_file lua_package_path", "no code is run: use typed directives, or a service for auth-url"},
		{"valid_referers", "use the ConfigMap key block-referers"},
		{"more_set_request_headers", "use more_set_input_headers"},
		{"listen server_name", "hosts are those of the rules of Ingresses, and server-alias has further ones; ports are those of the flags --http-port and --https-port"},
		{"stub_status", "the admin address has metrics"},
		{"proxy_method proxy_pass_request_body proxy_pass_request_headers proxy_set_body", "there is no proxy_pass that it could change"},
	} {
		for name := range strings.FieldsSeq(u.names) {
			list = append(list, row{name: name, instead: u.instead})
		}
	}
	return list
}

// lost are the directives of features that are not here and that guard nothing:
// the routes go on without them.
func lost() []row {
	var list []row
	for _, u := range []struct{ names, instead string }{
		{"proxy_cache proxy_cache_path proxy_cache_valid proxy_cache_key proxy_cache_use_stale proxy_cache_lock proxy_cache_lock_timeout proxy_cache_lock_age proxy_cache_background_update proxy_cache_revalidate proxy_cache_methods proxy_cache_min_uses proxy_cache_max_range_offset proxy_cache_convert_head proxy_store", "responses are not kept: put a cache in front of the Service"},
		{"fastcgi_cache fastcgi_cache_path fastcgi_cache_valid fastcgi_cache_key fastcgi_cache_bypass fastcgi_no_cache fastcgi_cache_use_stale fastcgi_cache_lock", "responses are not kept: put a cache in front of the Service"},
		{"proxy_ssl_protocols proxy_ssl_ciphers", "use the annotations proxy-ssl-secret, proxy-ssl-protocols and proxy-ssl-ciphers"},
		{"gzip_static brotli_static", "let the backend compress"},
	} {
		for name := range strings.FieldsSeq(u.names) {
			list = append(list, row{name: name, instead: u.instead, lost: true})
		}
	}
	return list
}

// tuning are the directives that have nothing to adjust here.
func tuning() []row {
	var list []row
	for _, u := range []struct{ names, why string }{
		{"proxy_buffering proxy_request_buffering proxy_buffer_size proxy_buffers proxy_busy_buffers_size proxy_max_temp_file_size proxy_temp_file_write_size client_body_buffer_size", "use the annotation or ConfigMap key of this name; in a snippet it has no effect"},
		{"gzip gzip_types gzip_min_length gzip_comp_level gzip_proxied gzip_vary gzip_disable gzip_http_version gzip_buffers brotli brotli_types brotli_comp_level", "use the ConfigMap keys use-gzip and enable-brotli; in a snippet it has no effect"},
		{"client_header_buffer_size large_client_header_buffers underscores_in_headers ignore_invalid_headers client_header_timeout client_body_timeout keepalive_timeout keepalive_requests send_timeout", "use the ConfigMap key of this name; in a snippet it has no effect"},
		{"ssl_stapling ssl_stapling_verify ssl_trusted_certificate ssl_stapling_responder", "use the ConfigMap key enable-ocsp; in a snippet it has no effect"},
		{"proxy_cache_bypass proxy_no_cache", "responses are not kept, so that it has no effect"},
		{"proxy_ignore_headers", "responses are not kept, and fields X-Accel-… of backends pass as any other"},
		{"proxy_ssl_session_reuse proxy_socket_keepalive proxy_headers_hash_max_size limit_req_log_level limit_conn_log_level http2_max_field_size http2_max_header_size http2_max_requests http2_recv_timeout open_log_file_cache proxy_force_ranges", ""},
		{"chunked_transfer_encoding tcp_nodelay tcp_nopush sendfile aio directio output_buffers postpone_output reset_timedout_connection lingering_close", ""},
		{"proxy_headers_hash_bucket_size variables_hash_max_size variables_hash_bucket_size server_names_hash_max_size server_names_hash_bucket_size map_hash_max_size map_hash_bucket_size types_hash_max_size", ""},
		{"etag if_modified_since server_tokens absolute_redirect port_in_redirect log_not_found log_subrequest rewrite_log uninitialized_variable_warn error_log charset", ""},
		{"grpc_buffer_size http2_max_concurrent_streams http2_push_preload ssl_session_cache ssl_session_timeout ssl_buffer_size open_file_cache resolver resolver_timeout", ""},
		{"worker_processes worker_connections worker_rlimit_nofile worker_shutdown_timeout worker_cpu_affinity events lua_shared_dict", ""},
	} {
		for name := range strings.FieldsSeq(u.names) {
			list = append(list, row{name: name, instead: u.why, tuning: true})
		}
	}
	return list
}
