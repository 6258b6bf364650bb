<?php
/**
 * As much of WordPress as docs/integrations/weft.php asks for, and a request through it.
 * Standard input: {"template": PHP, "capability": …, "singular": …, "user": …, "publish": …}; output: {"html": …, "fields": […], "sent": […]}.
 */

define( 'ABSPATH', '/' );
define( 'WEFT_URL', 'http://gateway.test' );
define( 'WEFT_PURGE_TOKEN', 'sesame' );
$given   = json_decode( stream_get_contents( STDIN ), true );
$actions = array();
$codes   = array();
$sent    = array();

function add_action( $name, $function ) {
	$GLOBALS['actions'][ $name ] = $function;
}
function add_shortcode( $name, $function ) {
	$GLOBALS['codes'][ $name ] = $function;
}
function do_shortcode( $text ) {
	$pattern = '/\[(weft_slot|esi)((?: \w+="[^"]*")*)\](?:(.*?)\[\/\1\])?/s';
	return preg_replace_callback(
		$pattern,
		function ( $found ) {
			preg_match_all( '/(\w+)="([^"]*)"/', $found[2], $pairs );
			return $GLOBALS['codes'][ $found[1] ]( array_combine( $pairs[1], $pairs[2] ), $found[3] ?? '' );
		},
		$text
	);
}
function esc_attr( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES );
}
function is_singular() {
	return $GLOBALS['given']['singular'] ?? true;
}
function is_user_logged_in() {
	return $GLOBALS['given']['user'] ?? false;
}
function wp_json_encode( $value ) {
	return json_encode( $value, JSON_UNESCAPED_SLASHES );
}
function wp_remote_post( $url, $options ) {
	$GLOBALS['sent'][] = array( $url, $options );
}
/** The page that is being made, in the plugin's own words: php-cli sends no header section that could be looked at. */
function header_recorder( $fields ) {
	static $held = array();
	$held = array_merge( $held, $fields );
	return $held;
}

if ( null !== ( $given['capability'] ?? null ) ) {
	$_SERVER['HTTP_SURROGATE_CAPABILITY'] = $given['capability'];
}

// header() and headers_sent() can't be replaced by name, so the plugin is read into a namespace of its own in which they are.
$plugin = file_get_contents( $argv[1] );
$plugin = str_replace( array( ' header(', "\theader(", 'headers_sent()' ), array( ' said(', "\tsaid(", 'false' ), $plugin );
function said( $line ) {
	header_recorder( array( $line ) );
}
eval( '?>' . $plugin );

ob_start();
$actions['template_redirect']();
foreach ( $given['posts'] ?? array() as $number ) {
	$actions['the_post']( (object) array( 'ID' => $number ) );
}
echo do_shortcode( $given['text'] ?? '' );
eval( $given['template'] ?? '' );
ob_end_flush(); // the plugin's own, which sends the header section
$html = ob_get_clean();
foreach ( $given['changes'] ?? array() as $change ) {
	$actions['transition_post_status']( $change[0], $change[1], (object) array( 'ID' => $change[2] ) );
}
echo json_encode( array( 'html' => $html, 'fields' => header_recorder( array() ), 'sent' => $sent ) );
