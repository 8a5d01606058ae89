package org.carrel.app

import android.content.Context
import android.content.RestrictionsManager
import android.os.Bundle
import android.system.Os
import androidx.activity.enableEdgeToEdge
import java.io.File
import org.json.JSONArray
import org.json.JSONObject

class MainActivity : TauriActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    provideManagedConfiguration()
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
  }

  override fun onResume() {
    provideManagedConfiguration()
    super.onResume()
  }

  /**
   * Writes the managed configuration of this device as a JSON object of policy keys. The app reads the file whose path
   * is in CARREL_MANAGED_CONFIGURATION when it starts and when it returns to the foreground. The file is replaced as a
   * whole, so that the app never reads a part of it.
   */
  private fun provideManagedConfiguration() {
    val manager = getSystemService(Context.RESTRICTIONS_SERVICE) as RestrictionsManager
    val file = File(filesDir, "managed-configuration.json")
    val json = JSONObject()
    val restrictions = manager.applicationRestrictions
    for (key in restrictions.keySet()) {
      @Suppress("DEPRECATION")
      when (val value = restrictions.get(key)) {
        is Array<*> -> json.put(key, JSONArray(value))
        is String, is Boolean, is Int -> json.put(key, value)
      }
    }
    val new = File(filesDir, "managed-configuration.json.new")
    new.writeText(json.toString())
    new.renameTo(file)
    Os.setenv("CARREL_MANAGED_CONFIGURATION", file.path, true)
  }
}
