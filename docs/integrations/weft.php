<?php
/**
 * Plugin Name: Weft
 * Description: Places in a page that are filled at the edge, tags, and a purge when something is published. docs/integrations/wordpress.md
 * Version: 0.1
 * Requires PHP: 7.4
 * License: MIT
 *
 * In a post:      [weft_slot src="/fragments/cart"]     [esi src="/fragments/recs" alt="/fragments/none"]meanwhile[/esi]
 * In a template:  <?php weft_slot( '/fragments/cart' ); ?>
 *
 * Without a gateway in front (no Surrogate-Capability in the request) a slot is empty, and the body of [esi] stands.
 * For purging, in wp-config.php:  define( 'WEFT_URL', 'http://127.0.0.1:8080' ); define( 'WEFT_PURGE_TOKEN', '…' );
 */

defined( 'ABSPATH' ) || exit;

const WEFT_ATTRIBUTES = array( 'alt', 'maxwait', 'name', 'onerror', 'required', 'ttl' );

/** Whether a gateway in front runs ESI. Edge Architecture Specification, section 3.1. */
function weft_assembles() {
	weft_page( 'asked' );
	return false !== strpos( $_SERVER['HTTP_SURROGATE_CAPABILITY'] ?? '', 'ESI/1.' );
}

/** What this page has come to so far: places, asked, tags. With a word: note that it has. */
function weft_page( $word = null, $tags = array() ) {
	static $page = array( 'tags' => array() );
	if ( null !== $word ) {
		$page[ $word ] = true;
	}
	foreach ( $tags as $tag ) {
		$page['tags'][ rawurlencode( $tag ) ] = true;
	}
	return $page;
}

/** What this page shall be purged by, beside the posts that it shows. */
function weft_tags( ...$tags ) {
	weft_page( null, $tags );
}

/** The element. Attributes that ESI does not know are left out. */
function weft_include( $src, $attributes = array(), $body = '' ) {
	weft_page( 'places' );
	$html = '<esi:include src="' . esc_attr( $src ) . '"';
	foreach ( WEFT_ATTRIBUTES as $name ) {
		if ( isset( $attributes[ $name ] ) ) {
			$html .= ' ' . $name . '="' . esc_attr( $attributes[ $name ] ) . '"';
		}
	}
	return $html . ( '' === trim( $body ) ? '/>' : '>' . $body . '</esi:include>' );
}

/** For templates: a place that is filled at the edge, and empty when that fails. */
function weft_slot( $src, $attributes = array() ) {
	if ( weft_assembles() ) {
		echo weft_include( $src, $attributes + array( 'onerror' => 'continue' ) ); // phpcs:ignore -- escaped above
	}
}

/** [weft_slot src="…"] */
function weft_slot_shortcode( $attributes ) {
	ob_start();
	weft_slot( $attributes['src'] ?? '', $attributes );
	return ob_get_clean();
}

/** [esi src="…" alt="…"]body[/esi] */
function weft_esi_shortcode( $attributes, $body = '' ) {
	$body = do_shortcode( (string) $body );
	return weft_assembles() ? weft_include( $attributes['src'] ?? '', $attributes, $body ) : $body;
}

/** Every post that is shown is a tag of the page. */
function weft_note_post( $post ) {
	weft_page( null, array( 'post-' . $post->ID ) );
}

/** The header section, once the page is made: it is held back by output buffering until then. */
function weft_send_headers( $html ) {
	$page = weft_page();
	if ( ! headers_sent() ) {
		if ( ! empty( $page['places'] ) ) {
			header( 'Surrogate-Control: content="ESI/1.0"', false );
		}
		if ( ! empty( $page['asked'] ) ) {
			header( 'Vary: Surrogate-Capability', false );
		}
		if ( $page['tags'] ) {
			header( 'Surrogate-Key: ' . implode( ' ', array_keys( $page['tags'] ) ) );
		}
		if ( is_user_logged_in() ) {
			header( 'Cache-Control: private, no-store' );
		}
	}
	return $html;
}

/** Published, changed, or taken back: pages that show it go, and lists that may show it. */
function weft_purge( $new_status, $old_status, $post ) {
	if ( ! defined( 'WEFT_PURGE_TOKEN' ) || ( 'publish' !== $new_status && 'publish' !== $old_status ) ) {
		return;
	}
	wp_remote_post(
		WEFT_URL . '/_weft/purge',
		array(
			'timeout' => 5,
			'headers' => array(
				'Authorization' => 'Bearer ' . WEFT_PURGE_TOKEN,
				'Content-Type'  => 'application/json',
			),
			'body'    => wp_json_encode(
				array(
					'tags' => array( 'post-' . $post->ID, 'lists' ),
					'hard' => true,
				)
			),
		)
	);
}

/** A page that lists posts is purged with each of them. */
function weft_begin() {
	if ( ! is_singular() ) {
		weft_tags( 'lists' );
	}
	ob_start( 'weft_send_headers' );
}

add_shortcode( 'weft_slot', 'weft_slot_shortcode' );
add_shortcode( 'esi', 'weft_esi_shortcode' );
add_action( 'template_redirect', 'weft_begin', 0 );
add_action( 'the_post', 'weft_note_post' );
add_action( 'transition_post_status', 'weft_purge', 10, 3 );
